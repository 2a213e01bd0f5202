"""Planned switchovers: no acknowledged row is lost, and a failure before the promotion is undone."""

import pytest
from failover_stage import ROLE, SECRET, Family, carry_out, writable

from pgnb.core.checks import gate, verify
from pgnb.core.errors import ChangeFailed
from pgnb.core.wait import wait_until
from pgnb.physical import StandbySpec, slots
from pgnb.physical.failover import (
    failover_checks,
    measure_failover,
    operation_checks,
    plan_followers,
    plan_rejoin,
    plan_service,
    plan_switchover,
    plot_failover,
)
from pgnb.postgres import Server


def _hand_over(family: Family, old: str, slot: str) -> float:
    """Carry out a switchover, and return the time without writes as measured by a client."""
    role_change = family.roles("switchover", old=old, selector=f"app!={old},{_SERVERS}")
    gate(operation_checks(role_change))
    change = plan_switchover(role_change)
    gate_and = change.grant(allow_promotion=True)
    assert gate_and.ok
    with measure_failover(role_change, "secret:postgres-primary/password", when=change) as service:
        change.apply()
    verify(service.checks(longest=60.0))
    assert service.durability is not None and not service.durability.missing
    source = role_change.source(ROLE, SECRET)
    carry_out(plan_followers(role_change, source))
    carry_out(plan_rejoin(role_change, StandbySpec(old, slot, old), source))
    verify(failover_checks(role_change))
    assert "without writes (measured by a client)" in plot_failover(role_change, service).finding
    assert not plan_switchover(role_change)
    assert not plan_service(role_change)
    return service.write_log.longest.seconds


_SERVERS = "app in (postgres-primary,replica-a,replica-b)"


def test_the_role_goes_over_and_back_and_no_acknowledged_row_is_lost(family: Family):
    gaps = [
        _hand_over(family, "postgres-primary", "replica_a"),
        _hand_over(family, "replica-a", "postgres_primary"),
    ]
    assert min(gaps) > 0
    assert family.server("postgres-primary").facts.timeline == 3


@pytest.mark.long
def test_other_standbys_follow_the_new_primary(family: Family):
    family.add("replica-b")
    role_change = family.roles("switchover", candidate="replica-a")
    carry_out(plan_switchover(role_change), allow_promotion=True)
    carry_out(plan_followers(role_change, role_change.source(ROLE, SECRET)))
    assert slots(role_change.candidate).find("replica_b").active
    follower = role_change.others[0]
    assert follower.refresh().timeline == role_change.candidate.facts.timeline == 2


@pytest.mark.long
def test_wal_that_does_not_arrive_puts_everything_back(family: Family):
    standby = family.server("replica-a")
    standby.execute("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
    standby.execute("SELECT pg_reload_conf()")
    wait_until("the delay", lambda: _shown(standby, "recovery_min_apply_delay") == "1h", timeout=60)
    change = plan_switchover(family.roles("switchover"), timeout=1.0)
    change.grant(allow_promotion=True)
    family.primary.execute("CREATE TABLE before_it (n int)")
    with pytest.raises(ChangeFailed, match="stopped") as failure:
        change.apply()
    assert "writes are allowed again" in failure.value.remedy
    assert writable(family.primary)
    assert standby.refresh().in_recovery


def _shown(server: Server, name: str) -> str:
    with server.new_session() as session:
        return str(session.query(f"SHOW {name}")[0][name])


@pytest.mark.long
def test_a_shutdown_that_was_a_kill_is_put_back(family: Family):
    """After a killed shutdown (too short a grace period) a loss is possible: the old primary serves again."""
    workload = family.cluster.workload(family.primary.pod)
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "kill -QUIT 1"]}}}
    family.cluster.apply(_template(workload.name, family.primary.pod.container, hook), force=True)
    wait_until(
        "the new pod",
        lambda: family.cluster.pods(family.primary.selector),
        lambda pods: [p.ready and "lifecycle" in p.container_spec for p in pods] == [True],
        timeout=60,
    )
    family.primary.reopen()
    role_change = family.roles("switchover")
    wait_until("it streams again", lambda: operation_checks(role_change).ok, timeout=60)
    change = plan_switchover(role_change)
    change.grant(allow_promotion=True)
    with pytest.raises(ChangeFailed, match="did not shut down cleanly") as failure:
        change.apply()
    assert "Undone" in failure.value.remedy
    family.primary.reopen()
    assert not family.primary.refresh().in_recovery
    assert writable(family.primary)
    assert role_change.candidate.refresh().in_recovery


def _template(name: str, container: str, lifecycle: dict) -> dict:
    spec = {"containers": [{"name": container, "lifecycle": lifecycle}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": spec}},
    }
