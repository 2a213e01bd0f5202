"""Slots of section 7: created, measured, capped, lost, and dropped only by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from online_stage import Trio, carry_out

from pgnb import plots
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.plan import gate
from pgnb.core.wait import wait_until
from pgnb.observe.retention import measure_retention
from pgnb.physical import desired_slot_checks, plan_drop_slot, plan_slots, slot_checks, slots
from pgnb.physical.slot_checks import cap_checks
from pgnb.postgres import Server

pytestmark = pytest.mark.long

_MB = 1024**2


def _write_wal(primary: Server, megabytes: int) -> None:
    with primary.new_session(statement_timeout=0) as session:
        for _ in range(megabytes):
            session.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1048576))")


def test_several_slots_are_made_at_once_and_kept_the_second_time(trio: Trio) -> None:
    planned = trio.run(dry_run=True)
    assert not carry_out(plan_slots(planned.primary, ["extra_1", "extra_2"])).changed
    planned.close()
    carry_out(plan_slots(trio.primary, ["extra_1", "extra_2", "standby_a"]))
    assert desired_slot_checks(trio.primary, ["extra_1", "extra_2", "standby_a"]).ok
    assert not plan_slots(trio.primary, ["extra_1", "extra_2", "standby_a"])
    with pytest.raises(ParameterError, match="no room for 9 more slots"):
        plan_slots(trio.primary, [f"many_{number}" for number in range(9)])


def test_each_slot_and_each_standby_is_held_against_the_other(trio: Trio) -> None:
    found = {check.name: check.ok for check in slot_checks(trio.primary, trio.standbys)}
    assert found["standby_a has one standby"]
    assert not found["extra_1 has one standby"]
    assert all(found[f"{standby.name} has a slot"] for standby in trio.standbys)


def test_details_show_the_columns_of_this_version(trio: Trio) -> None:
    columns = slots(trio.primary).details.columns
    assert {"failover", "synced", "active_pid"} <= set(columns)
    assert "two_phase_at" not in columns


def test_the_rate_of_wal_is_measured_and_the_times_follow_from_it(trio: Trio) -> None:
    idle = measure_retention(trio.primary, seconds=0.5)
    _write_wal(trio.primary, 40)
    kept = measure_retention(trio.primary, seconds=0.5)
    grown = {slot.name: slot.retained or 0 for slot in kept.slots}
    assert grown["extra_1"] - next(s.retained or 0 for s in idle.slots if s.name == "extra_1") >= 40 * _MB
    assert kept.free is not None
    assert kept.wal_bytes >= 40 * _MB
    assert "no limit" in str(kept.checks(trio.cluster.journal))
    assert plots.retention(kept)._repr_png_()[0].startswith(b"\x89PNG")


def test_a_slot_is_dropped_by_its_exact_name_only_when_nobody_uses_it(trio: Trio) -> None:
    assert not plan_drop_slot(trio.primary, "")
    assert not plan_drop_slot(trio.primary, "extra_3")
    with pytest.raises(ParameterError, match="is in use"):
        plan_drop_slot(trio.primary, "standby_a", trio.standbys)
    change = plan_drop_slot(trio.primary, "extra_2", trio.standbys)
    with pytest.raises(GateClosed, match="confirmed"):
        gate(change, drop_slot="extra_1")
    with pytest.raises(GateClosed):
        change.apply()
    assert slots(trio.primary).find("extra_2")
    gate(change, drop_slot="extra_2")
    change.apply()
    assert desired_slot_checks(trio.primary, ["extra_1"], "extra_2").ok


def test_a_slot_that_a_standby_is_configured_for_is_not_dropped_while_it_is_away(trio: Trio) -> None:
    standby = trio.standbys[1]
    with _away(trio, standby), pytest.raises(ParameterError, match="primary_slot_name of"):
        plan_drop_slot(trio.primary, "standby_b", trio.standbys)


def test_feedback_leaves_xmin_in_the_slot_of_a_standby_that_is_gone(trio: Trio) -> None:
    carry_out(trio.plan({}, {"hot_standby_feedback": "on"}))
    standby = trio.standbys[1]
    with standby.new_session() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.query("SELECT count(*) FROM pg_class")
        wait_until("xmin", lambda: _xmin_age(trio), lambda age: age is not None, timeout=60)
    with _away(trio, standby):
        trio.primary.execute("CREATE TABLE aged AS SELECT 1 AS n")
        trio.primary.execute("DROP TABLE aged")
        age = _xmin_age(trio)
        assert age is not None and age >= 2
        retained = measure_retention(trio.primary, seconds=0.1)
        assert next(slot.xmin_age for slot in retained.slots if slot.name == "standby_b") == age
    carry_out(trio.plan({}, {"hot_standby_feedback": "off"}))


def test_a_cap_that_would_lose_a_slot_is_refused_and_a_lost_one_is_told(trio: Trio) -> None:
    _write_wal(trio.primary, 40)
    cap = {"max_slot_wal_keep_size": "16MB"}
    change = trio.plan(cap, {})
    assert {check.name for check in change.safety().failed} >= {"slot extra_1 under the new cap"}
    with pytest.raises(GateClosed, match="extra_1"):
        change.apply()
    assert [check.advice for check in cap_checks(trio.primary, None)] == [True]
    _lose(trio, "16MB")
    assert measure_retention(trio.primary, seconds=0.1).finding.startswith("Lost: extra_1")
    assert not desired_slot_checks(trio.primary, ["extra_1"]).ok
    with pytest.raises(ParameterError, match="has lost WAL"):
        plan_slots(trio.primary, ["extra_1"])
    dropped = plan_drop_slot(trio.primary, "extra_1", trio.standbys)
    gate(dropped, drop_slot="extra_1")
    assert dropped.apply().changed


def _lose(trio: Trio, cap: str) -> None:
    """Do by hand what the refusal warns of."""
    trio.primary.execute(f"ALTER SYSTEM SET max_slot_wal_keep_size = '{cap}'")
    trio.primary.execute("SELECT pg_reload_conf()")
    trio.primary.close_sessions()

    def status() -> str:
        _write_wal(trio.primary, 20)
        trio.primary.execute("CHECKPOINT")
        slot = slots(trio.primary).find("extra_1")
        return (slot.wal_status if slot else None) or "gone"

    wait_until("the slot is lost", status, lambda found: found == "lost", timeout=60)
    trio.primary.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
    trio.primary.execute("SELECT pg_reload_conf()")
    trio.primary.close_sessions()


def _xmin_age(trio: Trio) -> int | None:
    slot = slots(trio.primary).find("standby_b")
    return slot.xmin_age if slot else None


@contextmanager
def _away(trio: Trio, standby: Server) -> Iterator[None]:
    """A standby that runs and receives nothing: it has no connection, but still its slot's name."""
    conninfo = str(standby.scalar("SELECT current_setting('primary_conninfo')"))
    _connect(trio, standby, "", active=False)
    try:
        yield
    finally:
        _connect(trio, standby, conninfo.replace("'", "''"), active=True)


def _connect(trio: Trio, standby: Server, conninfo: str, *, active: bool) -> None:
    standby.execute(f"ALTER SYSTEM SET primary_conninfo = '{conninfo}'")
    standby.execute("SELECT pg_reload_conf()")
    wait_until(
        f"slot standby_b active: {active}",
        lambda: slots(trio.primary).find("standby_b"),
        lambda slot: slot is not None and slot.active == active,
        timeout=60,
    )
