"""Failover of a publisher: the standby keeps its logical slots, or the gate names the lost ones."""

import pytest
from failover_stage import ROLE, Family, carry_out

from pgnb.core.errors import GateClosed
from pgnb.core.wait import wait_until
from pgnb.logical.roles import subscription_rules
from pgnb.logical.slots import create_slot, logical_slots, slot_failover_checks
from pgnb.logical.specs import DatabaseSpec
from pgnb.physical import slots
from pgnb.physical.failover import operation_checks, plan_switchover
from pgnb.postgres import Server
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.config.restart import plan_pending_restart

pytestmark = pytest.mark.long

SPEC = DatabaseSpec.of("postgres")


@pytest.fixture
def publisher(family: Family) -> Family:
    """The primary with a logical slot that a standby could take over."""
    desired = {"wal_level": "logical"}
    carry_out(plan_settings(family.primary, desired, write_restart=True))
    carry_out(plan_pending_restart(family.primary, desired, allow=True), allow_restart=True)
    create_slot(family.primary, SPEC, two_phase=False, failover=True, timeout=30)
    return family


def test_a_slot_that_would_be_left_behind_closes_the_gate_until_it_is_named(publisher: Family) -> None:
    advice = {check.name for check in slot_failover_checks(publisher.primary, [SPEC]) if not check.ok}
    assert advice == {"subscribers wait for the standbys"}
    wait_until("it streams again", lambda: _failed(publisher) <= {"logical slots"}, timeout=60)
    change = plan_switchover(publisher.roles("switchover"))
    change.grant(allow_promotion=True)
    with pytest.raises(GateClosed) as stopped:
        change.apply()
    assert "logical slots: sub_postgres" in stopped.value.found
    assert "allow_slot_loss = 'sub_postgres'" in stopped.value.remedy
    assert operation_checks(publisher.roles("switchover", allow_slot_loss="sub_postgres")).ok


def test_a_slot_that_is_synchronised_goes_along(publisher: Family) -> None:
    standby = publisher.server("replica-a")
    # Synchronisation is an ordinary session in a database: the rule for `replication` does not let it in.
    carry_out(plan_hba(publisher.primary, subscription_rules(ROLE, ["10.0.0.0/8"], tls=False)))
    carry_out(plan_settings(publisher.primary, {"synchronized_standby_slots": "replica_a"}))
    desired = {"wal_level": "logical", "sync_replication_slots": "on", "hot_standby_feedback": "on"}
    carry_out(plan_settings(standby, desired, write_restart=True))
    carry_out(plan_pending_restart(standby, desired, allow=True), allow_restart=True)
    assert slot_failover_checks(publisher.primary, [SPEC]).items[-1].ok
    # The standby takes a slot over once it has the WAL and the catalog's rows that the slot needs.
    wait_until("the slot on the standby", lambda: _synchronised(publisher, standby), timeout=90, every=0.5)
    wait_until("it streams again", lambda: operation_checks(publisher.roles("switchover")).ok, timeout=60)
    role_change = publisher.roles("switchover")
    carry_out(plan_switchover(role_change), allow_promotion=True)
    assert not logical_slots(role_change.candidate)["sub_postgres"].lost
    standby.close()


def _failed(publisher: Family) -> set[str]:
    return {check.name for check in operation_checks(publisher.roles("switchover")).failed}


def _synchronised(publisher: Family, standby: Server) -> bool:
    """Read on as a subscriber does, so that the slot advances, and the standby's copy, too."""
    publisher.primary.execute("SELECT pg_logical_emit_message(false, 'x', 'y')")
    publisher.primary.execute("SELECT pg_log_standby_snapshot()")
    publisher.primary.execute(
        "SELECT count(*) FROM pg_logical_slot_get_binary_changes('sub_postgres', NULL, NULL, 'proto_version',"
        " '1', 'publication_names', 'none')"
    )
    found = slots(standby).find("sub_postgres")
    return found is not None and found.takes_over
