"""Rejoin on other major versions, with the data at the root of the mount, after crashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rejoin_stage import FIRST, SECOND, Nodes, short_grace
from replication_stage import carry_out, open_stage

from tests.versions import images

PGDATA = "/var/lib/postgresql/data/pgdata"
pytestmark = [pytest.mark.long, pytest.mark.parametrize("image", images(), indirect=True, scope="module")]


@pytest.fixture(scope="module")
def nodes(
    image: str, module_namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> Iterator[Nodes]:
    """A primary of that version, its data at the root of its volume, and one standby."""

    def at_the_root(manifest: dict[str, Any]) -> None:
        short_grace(manifest)
        if "template" in manifest.get("spec", {}):
            manifest["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] = PGDATA

    args = ("-c", "wal_log_hints=on")
    start_postgres(module_namespace, FIRST, args=args, image=image, patch=at_the_root)
    stage = open_stage(kubeconfig, module_namespace)
    stage.primary.execute("CREATE TABLE kept (n int)")
    stage.workload(SECOND, "slot_b")
    body = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 3}}}}
    stage.cluster.patch("deployments", SECOND, body, "a short grace")
    carry_out(stage.backup(SECOND, "slot_b"))
    made = Nodes(stage, servers={FIRST: stage.primary})
    yield made
    made.close()


def test_a_crashed_primary_that_lost_nothing_follows(nodes: Nodes) -> None:
    """Its WAL ends before the fork, however it stopped."""
    nodes.primary.execute("INSERT INTO kept SELECT generate_series(1, 100)")
    nodes.verified(SECOND, "slot_b")
    nodes.crash(FIRST)
    nodes.promote(SECOND)
    change = nodes.rejoin(FIRST, "slot_a")
    assert change.method == "follow", change
    assert change.note.startswith("in production")
    carry_out(change)
    assert nodes.verified(FIRST, "slot_a").scalar("SELECT count(*) FROM kept") == 100


def test_a_crashed_primary_that_wrote_on_goes_back(nodes: Nodes) -> None:
    """Without a CHECKPOINT on the new primary, 15 would say that no rewind is required."""
    old = nodes.primary
    nodes.promote(FIRST)
    old.execute("INSERT INTO kept SELECT generate_series(1001, 1010)")
    old.execute("COPY kept FROM PROGRAM 'seq 2001 2050'")
    nodes.crash(SECOND)
    change = nodes.rejoin(SECOND, "slot_b")
    assert change.method == "rewind", change
    assert change.old_data is not None and change.old_data.divergence is not None
    assert (change.old_data.divergence.transactions, change.old_data.divergence.inserted) == (2, 60)
    change.grant(discard_diverged=SECOND)
    carry_out(change)
    assert nodes.verified(SECOND, "slot_b").scalar("SELECT count(*) FROM kept") == 100


def test_data_at_the_root_go_back_as_well(nodes: Nodes) -> None:
    old = nodes.primary
    old.execute("ALTER SYSTEM SET work_mem = '7MB'")
    nodes.verified(SECOND, "slot_b")
    nodes.promote(SECOND)
    old.execute("INSERT INTO kept VALUES (-1)")
    nodes.stop(FIRST)
    change = nodes.rejoin(FIRST, "slot_a", discard_diverged=FIRST)
    assert change.method == "rewind", change
    carry_out(change)
    back = nodes.verified(FIRST, "slot_a")
    assert back.scalar("SELECT count(*) FROM kept") == 100
    assert back.scalar("SHOW work_mem") == "7MB"
