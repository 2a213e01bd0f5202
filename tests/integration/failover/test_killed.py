"""09 killed in any phase: the next run completes it, and two servers never accept writes at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from failover_stage import PRIMARY, Family, crash, open_family
from procedure09 import Procedure
from watcher import Watcher

from pgnb.core.wait import wait_until

HERE = Path(__file__).parent
_SWITCHOVER = (
    "stop writes",
    "the last LSN",
    "fence: scale",
    "fence: its last checkpoint",
    "SELECT pg_promote",
    "switch the Service",
    "see its pod gone",
    "the role",
)
_FAILOVER = ("scale from", "read how its server ended", "SELECT pg_promote", "selector:")
_REJOIN = ("the role", "scale to 1")


def _begun(journal: Path) -> list[str]:
    texts = journal.read_text(encoding="utf-8").split("\n") if journal.exists() else []
    lines = [json.loads(text) for text in texts[:-1]]
    return [line["what"] for line in lines if line["kind"] == "begin"]


def kill_in(family: Family, path: str, phase: str, journal: Path, *, accept_loss: str = "no") -> None:
    """Run 09 as a separate process, and kill it once its journal says that the phase began."""
    arguments = [str(family.kubeconfig), family.cluster.namespace, path, accept_loss]
    env = {**os.environ, "PGNB_JOURNAL": str(journal)}
    log = journal.with_suffix(".log")
    with log.open("w") as output:
        run = subprocess.Popen(
            [sys.executable, str(HERE / "procedure09.py"), *arguments],
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(
                f"the phase {phase!r}",
                lambda: (_begun(journal), run.poll()),
                lambda seen: any(phase in what for what in seen[0]) or seen[1] is not None,
                timeout=240,
                every=0.002,
                describe=str,
            )
            assert run.poll() is None, log.read_text()
        finally:
            run.send_signal(signal.SIGKILL)
            run.wait()


@pytest.fixture(params=["deployment"])
def servers(
    request: pytest.FixtureRequest, namespace: str, kubeconfig: Path, start_server: Callable[..., Any]
) -> Iterator[Family]:
    """A primary and a standby of each kind of workload."""
    start_server(namespace, PRIMARY, kind=request.param)
    made = open_family(kubeconfig, namespace)
    made.add("replica-a")
    yield made
    made.primary.close()
    made.cluster.close()


_BOTH = pytest.mark.parametrize("servers", ["deployment", "statefulset"], indirect=True)


def _kill_and_repair_a_switchover(family: Family, phase: str, tmp_path: Path) -> None:
    writer = family.write()
    watcher = Watcher.of(family.kubeconfig, family.cluster.namespace, PRIMARY, "replica-a")
    with watcher:
        kill_in(family, "switchover", phase, tmp_path / "journal.jsonl")
        repairing = Procedure(family.other())
        repairing.repair()
        new = repairing.family.server("replica-a")
        acknowledged = writer.report()
        found = writer.check_durability(new, acknowledged)
        writer.stop()
    assert not watcher.both_writable
    assert acknowledged.acknowledged and not found.missing
    assert not new.refresh().in_recovery
    assert new.scalar("SHOW default_transaction_read_only") == "off"
    assert not family.cluster.role_changes()


def test_a_switchover_killed_while_writes_are_stopped_is_repaired(servers: Family, tmp_path: Path):
    _kill_and_repair_a_switchover(servers, "the last LSN", tmp_path)


@pytest.mark.long
@_BOTH
@pytest.mark.parametrize("phase", _SWITCHOVER)
def test_a_switchover_killed_in_any_phase_is_repaired(servers: Family, phase: str, tmp_path: Path):
    _kill_and_repair_a_switchover(servers, phase, tmp_path)


@pytest.mark.long
@_BOTH
@pytest.mark.parametrize("phase", _FAILOVER)
def test_a_failover_killed_in_any_phase_is_repaired(servers: Family, phase: str, tmp_path: Path):
    crash(servers.primary)
    watcher = Watcher.of(servers.kubeconfig, servers.cluster.namespace, PRIMARY, "replica-a")
    with watcher:
        kill_in(servers, "failover", phase, tmp_path / "journal.jsonl", accept_loss="yes")
        repairing = Procedure(servers.other(), accept_loss=True)
        repairing.carry_out("failover")
    assert not watcher.both_writable
    assert not servers.cluster.role_changes()


@pytest.mark.long
@_BOTH
@pytest.mark.parametrize("phase", _REJOIN)
def test_a_rejoin_killed_in_any_phase_is_repaired(servers: Family, phase: str, tmp_path: Path):
    servers.cluster.scale_and_wait(servers.cluster.workload(servers.primary.pod), 0)
    servers.primary.close()
    watcher = Watcher.of(servers.kubeconfig, servers.cluster.namespace, PRIMARY, "replica-a")
    with watcher:
        Procedure(servers.other(), accept_loss=True).carry_out("failover")
        kill_in(servers, "rejoin", phase, tmp_path / "journal.jsonl")
        Procedure(servers.other()).carry_out("rejoin")
    assert not watcher.both_writable
