"""Planned switchovers: no acknowledged row is lost, and until the promotion everything is put back."""

import pytest
from failover_stage import ROLE, SECRET, Family, carry_out, writable

from pgnb.core.checks import gate, verify
from pgnb.core.errors import ChangeFailed
from pgnb.core.wait import wait_until
from pgnb.physical import slots
from pgnb.physical.failover import (
    measure_succession,
    path_checks,
    plan_followers,
    plan_return,
    plan_service,
    plan_switchover,
    plot_succession,
    succession_checks,
)
from pgnb.postgres import Server


def _hand_over(family: Family, old: str, slot: str) -> float:
    """A whole switchover; the time without writes, as a client measured it."""
    pair = family.roles("switchover", old=old, selector=f"app!={old},{_SERVERS}")
    gate(path_checks(pair))
    change = plan_switchover(pair)
    gate_and = change.grant(allow_promotion=True)
    assert gate_and.ok
    with measure_succession(pair, "secret:postgres-primary/password", when=change) as service:
        change.apply()
    verify(service.checks(longest=60.0))
    assert service.durability is not None and not service.durability.missing
    source = pair.source(ROLE, SECRET)
    carry_out(plan_followers(pair, source))
    carry_out(plan_return(pair, source, slot=slot, application_name=old))
    verify(succession_checks(pair))
    assert "without writes (measured by a client)" in plot_succession(pair, service).finding
    assert not plan_switchover(pair)
    assert not plan_service(pair)
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
    pair = family.roles("switchover", candidate="replica-a")
    carry_out(plan_switchover(pair), allow_promotion=True)
    carry_out(plan_followers(pair, pair.source(ROLE, SECRET)))
    assert slots(pair.candidate).find("replica_b").active
    follower = pair.others[0]
    assert follower.refresh().timeline == pair.candidate.facts.timeline == 2


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
    assert "writes are let in again" in failure.value.remedy
    assert writable(family.primary)
    assert standby.refresh().in_recovery


def _shown(server: Server, name: str) -> str:
    with server.new_session() as session:
        return str(session.query(f"SHOW {name}")[0][name])


@pytest.mark.long
def test_a_shutdown_that_was_a_kill_is_put_back(family: Family):
    """The proof for no loss is missing, as after too short a grace period: the old primary serves on."""
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
    pair = family.roles("switchover")
    wait_until("it streams again", lambda: path_checks(pair).ok, timeout=60)
    change = plan_switchover(pair)
    change.grant(allow_promotion=True)
    with pytest.raises(ChangeFailed, match="did not shut down in order") as failure:
        change.apply()
    assert "Put back" in failure.value.remedy
    family.primary.reopen()
    assert not family.primary.refresh().in_recovery
    assert writable(family.primary)
    assert pair.candidate.refresh().in_recovery


def _template(name: str, container: str, lifecycle: dict) -> dict:
    spec = {"containers": [{"name": container, "lifecycle": lifecycle}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": spec}},
    }
