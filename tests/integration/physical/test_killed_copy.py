"""A killed run of section 3.3: a usable copy is not made again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from replication_stage import Stage, carry_out, open_stage

from pgnb.cluster import Object
from pgnb.core.errors import ChangeFailed, GateClosed
from pgnb.core.wait import wait_until
from pgnb.physical import plan_slot, standby_checks
from pgnb.physical.target import find_target

pytestmark = pytest.mark.long

NAME, SLOT = "killed", "slot_k"
_RUN = """
import os, signal, sys
from pathlib import Path
from replication_stage import open_stage
from pgnb.physical import BackupOptions
from pgnb.physical.bootstrap import Bootstrap

kubeconfig, namespace, dies_at, rate = sys.argv[1:]
if dies_at:
    setattr(Bootstrap, dies_at, lambda work: os.kill(os.getpid(), signal.SIGKILL))
open_stage(Path(kubeconfig), namespace).backup("killed", "slot_k", options=BackupOptions(rate)).apply()
"""


def begun(stage: Stage, *, dies_at: str = "", rate: str = "") -> subprocess.Popen[bytes]:
    """Run it as a separate process, which is killed before that step."""
    argv = [sys.executable, "-c", _RUN, str(stage.kubeconfig), stage.namespace, dies_at, rate]
    return subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)})


def killed(stage: Stage, before: str) -> None:
    with begun(stage, dies_at=before) as run:
        assert run.wait(120) == -signal.SIGKILL


def helpers(stage: Stage) -> list[Object]:
    return [p for p in stage.cluster.list("pods") if p["metadata"]["name"].startswith("pgnb-base-backup")]


def copied_from(stage: Stage, name: str = "backup_label.old") -> str:
    """Return the start LSN of the base backup from which the standby was made."""
    pod = stage.cluster.pod(f"app={NAME}")
    label = f"/var/lib/postgresql/data/pgdata/{name}"
    return stage.cluster.exec(pod, ["sed", "-n", "s/^START WAL LOCATION: \\([^ ]*\\) .*/\\1/p", label]).text


def assert_standby(stage: Stage) -> None:
    standby = stage.server(NAME)
    try:
        assert standby_checks(stage.primary, standby, slot=SLOT, application_name=NAME).ok
        directory = standby.facts.data_directory
        left = stage.cluster.exec(standby.pod, ["ls", "-A", directory, f"{directory}/.."]).text
        assert "pgnb-" not in left
        assert not helpers(stage)
    finally:
        standby.close()


def renew_slot(stage: Stage) -> None:
    """Create the slot again, after WAL that a copy needs."""
    stage.primary.execute("SELECT pg_drop_replication_slot(%s)", (SLOT,))
    stage.primary.execute("SELECT pg_switch_wal()")
    stage.primary.execute("CHECKPOINT")
    carry_out(plan_slot(stage.primary, SLOT))


@pytest.fixture
def again(stage: Stage) -> Iterator[Stage]:
    """Yield the stage of the next run, whose connection removes what killed runs left."""
    stage.workload(NAME, SLOT)
    stage.cluster.scale_and_wait(stage.cluster.find_workload("Deployment", NAME), 0)
    yield stage


def test_the_helper_of_a_killed_run_is_followed_to_its_end(again: Stage) -> None:
    with begun(again, rate="8M") as run:
        wait_until(
            "its backup",
            lambda: again.primary.query("physical/backups"),
            lambda rows: any(row["backup_streamed"] for row in rows),
            timeout=120,
            every=0.01,
        )
        (helper,) = helpers(again)
        living = again.backup(NAME, SLOT)
        with pytest.raises(GateClosed, match=f"no other pod on the volume: {helper['metadata']['name']}"):
            living.apply()
        run.kill()
    after = open_stage(again.kubeconfig, again.namespace)
    (kept,) = helpers(after)
    assert kept["metadata"]["uid"] == helper["metadata"]["uid"]
    only_planned = replace(after, primary=after.plan_only())
    assert f"pod {kept['metadata']['name']} makes" in str(only_planned.backup(NAME, SLOT))
    change = after.backup(NAME, SLOT)
    assert f"The pod {kept['metadata']['name']} makes" in str(change)
    assert f"follow the pod {kept['metadata']['name']}" in str(change)
    applied = change.apply()
    assert "begun by an earlier run" in str(applied)
    assert_standby(after)
    for server in (only_planned.primary, after.primary):
        server.close()


@pytest.mark.parametrize("before", ["install", "start"])
def test_a_copy_that_is_finished_is_used(again: Stage, before: str) -> None:
    killed(again, before)
    after = open_stage(again.kubeconfig, again.namespace)
    change = after.backup(NAME, SLOT)
    assert "complete and verified" in str(change)
    assert "by an earlier run, is used" in str(change)
    first = str(after.primary.scalar("SELECT pg_current_wal_lsn()"))
    after.primary.execute("SELECT pg_switch_wal()")
    after.primary.execute("CHECKPOINT")
    carry_out(change)
    assert int(copied_from(after).partition("/")[2], 16) < int(first.partition("/")[2], 16)
    assert_standby(after)
    after.primary.close()


def test_the_former_data_outlive_a_copy_that_is_in_place_and_unfit(again: Stage) -> None:
    data = "/var/lib/postgresql/data/pgdata"
    carry_out(again.backup(NAME, SLOT))
    pod = again.cluster.pod(f"app={NAME}")
    again.cluster.exec(pod, ["touch", f"{data}/former"], changes="a mark")
    again.cluster.scale_and_wait(again.cluster.find_workload("Deployment", NAME), 0)
    killed(again, "start")
    renew_slot(again)
    failing = again.backup(NAME, SLOT)
    assert "put in place by an earlier run; it never streamed" in str(failing)
    again.primary.execute("SELECT pg_drop_replication_slot(%s)", (SLOT,))
    with pytest.raises(ChangeFailed) as failed:
        failing.apply()
    assert f"The base backup of an earlier run is in place; the old data are at {data}.pgnb-old" in str(
        failed.value
    )
    carry_out(plan_slot(again.primary, SLOT))
    killed(again, "start")
    target = find_target(again.cluster, NAME)
    assert target is not None
    with again.cluster.helper(target.helper("look", (), uid=999, gid=999)) as helper:
        helper.exec(["ls", f"{data}.pgnb-old/former"])
        helper.exec(["ls", f"{data}/.pgnb-verified"])
    carry_out(again.backup(NAME, SLOT))
    assert_standby(again)


def test_a_copy_whose_wal_the_slot_has_let_go_is_made_again(again: Stage) -> None:
    killed(again, "install")
    renew_slot(again)
    change = again.backup(NAME, SLOT)
    assert "is made again: the slot slot_k keeps WAL from" in str(change)
    assert "pg_basebackup from" in str(change)
    carry_out(change)
    assert_standby(again)
