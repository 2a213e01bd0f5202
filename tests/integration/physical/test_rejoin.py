"""Rejoin of an old primary by each method, and re-pointing of further standbys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rejoin_stage import FIRST, SECOND, THIRD, Nodes, short_grace
from replication_stage import ROLE, ROWS, SECRET, carry_out, open_stage

from pgnb.core.checks import verify
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.plan import gate
from pgnb.physical import StandbySpec, replication_source, slots, standby_checks
from pgnb.physical.rejoin import plan_rejoin_server
from pgnb.physical.repoint import plan_repoint
from pgnb.physical.target import find_target
from pgnb.postgres import Server
from pgnb.postgres.config.files import read_file
from pgnb.postgres.config.hba import explain_hba, hba_change
from pgnb.postgres.progress import marker, wait_replayed

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def nodes(module_namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Nodes]:
    """A primary whose changes pg_rewind can trace, and two standbys."""
    start_postgres(module_namespace, FIRST, args=("-c", "wal_log_hints=on"), patch=short_grace)
    stage = open_stage(kubeconfig, module_namespace)
    stage.primary.execute("CREATE TABLE kept AS SELECT n FROM generate_series(1, 20000) AS n")
    for name, slot in ((SECOND, "slot_b"), (THIRD, "slot_c")):
        stage.workload(name, slot)
        carry_out(stage.backup(name, slot))
    made = Nodes(stage, servers={FIRST: stage.primary})
    yield made
    made.close()


def rows(server: Server) -> int:
    return int(server.scalar("SELECT count(*) FROM kept"))


def test_a_plan_only_run_names_what_it_would_do_and_starts_no_pod(nodes: Nodes) -> None:
    primary = nodes.stage.plan_only()
    change = plan_rejoin_server(primary, StandbySpec(FIRST, "slot_a", FIRST), nodes.source())
    assert change and change.method == ""
    assert change.apply().changed is False
    standby = nodes.stage.server(SECOND, primary.cluster)
    assert plan_repoint(standby, standby, nodes.source(), "slot_b").apply().changed is False
    primary.close()
    standby.close()


def test_a_server_that_still_runs_is_not_rejoined(nodes: Nodes) -> None:
    """It must be stopped, as its pods show; the clean shutdown is also for the next test."""
    with pytest.raises(ParameterError, match="uses the primary's volume"):
        nodes.rejoin(FIRST, "slot_a")
    # The state after a switchover that was killed with writes stopped, and a failover after it.
    nodes.servers[FIRST].execute("ALTER SYSTEM SET default_transaction_read_only = on")
    nodes.servers.pop(FIRST).close()
    workload = nodes.stage.cluster.find_workload("Deployment", FIRST)
    nodes.stage.cluster.scale_and_wait(workload, 0)
    nodes.promote(SECOND)
    nodes.stage.cluster.scale_and_wait(nodes.stage.cluster.find_workload("Deployment", THIRD), 1)
    with pytest.raises(GateClosed, match="is not stopped"):
        nodes.rejoin(THIRD, "slot_x")


def test_after_a_clean_shutdown_it_follows_by_primary_conninfo_alone(nodes: Nodes) -> None:
    change = nodes.rejoin(FIRST, "slot_a")
    assert change.method == "follow", change
    assert "its WAL ends at" in change.note
    assert not change.confirmations
    carry_out(change)
    nodes.primary.execute("INSERT INTO kept VALUES (0)")
    old = nodes.verified(FIRST, "slot_a")
    assert rows(old) == ROWS + 1
    assert len(slots(old)) == 0  # Its slots as a primary would keep WAL without a consumer.
    assert old.scalar("SHOW wal_log_hints") == "on"
    assert old.scalar("SHOW default_transaction_read_only") == "off"
    assert not nodes.rejoin(FIRST, "slot_a")


def test_a_further_standby_is_led_to_the_new_primary(nodes: Nodes) -> None:
    standby = nodes.server(THIRD)
    before = standby.facts.started
    change = plan_repoint(standby, nodes.primary, nodes.source(), "slot_c")
    assert "slot_c" in str(change)
    carry_out(change)
    nodes.verified(THIRD, "slot_c")
    assert standby.refresh().started == before  # No restart.
    assert not plan_repoint(standby, nodes.primary, nodes.source(), "slot_c")


def test_a_standby_led_through_another_service_gets_its_passfile(nodes: Nodes) -> None:
    """The passfile names the host: another host needs another line, and so a restart."""
    standby = nodes.server(THIRD)
    source = replication_source(nodes.primary, role=ROLE, secret=SECRET, service=SECOND)
    change = plan_repoint(standby, nodes.primary, source, "slot_c2")
    assert "add the init container passfile" in str(change)
    carry_out(change)
    verify(standby_checks(nodes.primary, standby, slot="slot_c2", application_name=THIRD))
    assert f"host={SECOND}" in standby.scalar("SHOW primary_conninfo")
    carry_out(plan_repoint(standby, nodes.primary, nodes.source(), "slot_c"))
    nodes.verified(THIRD, "slot_c")
    primary_slots = slots(nodes.primary)
    assert (found := primary_slots.find("slot_c")) is not None and found.active


def forbid_databases(server: Server) -> None:
    """Remove the rule that lets every role connect to every database."""
    path = server.facts.hba_file
    text = read_file(server, path) or ""
    left = "".join(line for line in text.splitlines(True) if not line.startswith("host all all all"))
    assert left != text
    carry_out(hba_change(server, "no rule for everybody", path, text, left))


def test_rows_behind_the_fork_are_dropped_by_pg_rewind_only_when_named(nodes: Nodes) -> None:
    """The old primary writes after the other was promoted, as without a fence."""
    old = nodes.primary
    old.execute("ALTER SYSTEM SET work_mem = '7MB'")
    old.execute("SELECT pg_reload_conf()")
    wait_replayed(nodes.server(FIRST), marker(old), timeout=60)
    nodes.promote(FIRST)
    for number in range(5):
        old.execute("INSERT INTO kept VALUES (%s)", (1_000_000 + number,))
    old.execute("DELETE FROM kept WHERE n BETWEEN 1 AND 10")
    old.execute("CHECKPOINT")
    nodes.primary.execute("INSERT INTO kept VALUES (-1)")
    # No rule lets the role into a database: pg_rewind needs one, and for no longer than it runs.
    forbid_databases(nodes.primary)
    nodes.stop(SECOND)
    change = nodes.rejoin(SECOND, "slot_b")
    assert change.method == "rewind", change
    lost = change.old_data.divergence if change.old_data else None
    assert lost is not None
    assert (lost.transactions, lost.inserted, lost.deleted) == (6, 5, 10)
    with pytest.raises(GateClosed, match="not confirmed") as closed:
        change.apply()
    assert "6 transactions" in str(closed.value)
    gate(change, discard_diverged=SECOND)
    change.apply()
    back = nodes.verified(SECOND, "slot_b")
    assert rows(back) == rows(nodes.primary) == ROWS + 2
    assert back.scalar("SHOW work_mem") == "7MB"  # Its own configuration was kept.
    assert nodes.primary.scalar("SHOW work_mem") == "4MB"
    assert not nodes.rejoin(SECOND, "slot_b")


def test_what_let_pg_rewind_in_is_taken_back(nodes: Nodes) -> None:
    rights = nodes.primary.query("physical/rewind_rights", {"role": ROLE})
    assert len(rights) == 4
    rules = explain_hba(nodes.primary, "postgres", ROLE, "10.9.9.9")
    assert not rules.lets_in
    assert not [row for row in rules.rows if row["netmask"] == "255.255.255.255" and ROLE in row["user_name"]]
    journal = str(nodes.stage.cluster.journal.table)
    assert "GRANT EXECUTE ON FUNCTION" in journal and "REVOKE EXECUTE ON FUNCTION" in journal


def test_a_standby_ahead_of_the_fork_is_not_re_pointed(nodes: Nodes) -> None:
    """It still follows the old primary, and received what that wrote after the fork."""
    standby = nodes.server(THIRD)
    with pytest.raises(ParameterError, match=r"has WAL that .* never had") as refused:
        plan_repoint(standby, nodes.primary, nodes.source(), "slot_c")
    assert "operation = rejoin" in str(refused.value)


def test_a_diverged_standby_comes_back_by_pg_rewind(nodes: Nodes) -> None:
    nodes.stop(THIRD)
    change = nodes.rejoin(THIRD, "slot_c", discard_diverged=THIRD)
    assert change.method == "rewind", change
    carry_out(change)
    assert rows(nodes.verified(THIRD, "slot_c")) == ROWS + 2


def test_a_crashed_primary_recovers_first_and_then_goes_back(nodes: Nodes) -> None:
    old = nodes.primary
    wait_replayed(nodes.server(SECOND), marker(old), timeout=60)
    nodes.promote(SECOND)
    old.execute("CREATE TABLE never_seen AS SELECT generate_series(1, 1000) AS n")
    nodes.crash(FIRST)
    change = nodes.rejoin(FIRST, "slot_a", discard_diverged=FIRST)
    assert "in production" in change.note
    assert change.method == "rewind", change
    carry_out(change)
    back = nodes.verified(FIRST, "slot_a")
    assert back.scalar("SELECT to_regclass('never_seen')") is None


def test_a_base_backup_where_asked_for_needs_the_claim_by_name(nodes: Nodes) -> None:
    nodes.stop(THIRD)
    with pytest.raises(ParameterError, match="no rejoin method"):
        nodes.rejoin(THIRD, "slot_c", method="magic")
    nodes.promote(FIRST)
    nodes.stop(SECOND)
    change = nodes.rejoin(SECOND, "slot_b", method="base backup")
    assert change.method == "base backup"
    with pytest.raises(GateClosed, match="not confirmed"):
        change.apply()
    gate(change, wipe_standby_data=f"{SECOND}-data")
    change.apply()
    nodes.verified(SECOND, "slot_b")


def test_an_interrupted_pg_rewind_is_not_repeated(nodes: Nodes) -> None:
    """Half rewound data are recognised only by what the run left beside them."""
    target = find_target(nodes.stage.cluster, THIRD)
    assert target is not None
    kept = f"{target.directory}.pgnb-kept"
    argv = ("sh", "-c", 'mkdir "$1" && : > "$1/complete"', "leave", kept)
    nodes.stage.cluster.run_helper(target.helper("interrupted", argv, uid=999, gid=999))
    change = nodes.rejoin(THIRD, "slot_c")
    assert change.method == "base backup"
    assert "interrupted while it wrote" in change.note
    carry_out(change)  # An old standby: nothing to confirm.
    standby = nodes.verified(THIRD, "slot_c")
    beside = nodes.stage.cluster.exec(standby.pod, ["ls", f"{standby.facts.data_directory}/.."]).text
    assert "pgnb" not in beside


def test_a_slot_that_another_reads_from_is_refused(nodes: Nodes) -> None:
    nodes.stop(THIRD)
    with pytest.raises(ParameterError, match="slot_b"):
        nodes.rejoin(THIRD, "slot_b")
