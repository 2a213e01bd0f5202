"""Unplanned failovers: never two writable primaries, and never more loss than estimated."""

from datetime import UTC, datetime

import pytest
from failover_stage import PRIMARY, ROLE, SECRET, Family, carry_out, crash, cut_off

from pgnb.core.checks import gate, verify
from pgnb.core.errors import DeadlineExceeded, GateClosed, ParameterError, QueryFailed
from pgnb.core.wait import wait_until
from pgnb.observe.writer import Writer
from pgnb.physical import StandbySpec
from pgnb.physical.failover import (
    RoleChange,
    ended,
    estimate_loss,
    failover_checks,
    operation_checks,
    plan_fence,
    plan_promotion,
    plan_rejoin,
    plan_service,
    plot_failover,
)
from pgnb.physical.failover.fence import fenced
from pgnb.postgres import Server

FENCE = {"allow_promotion": True, "fence_answering_primary": PRIMARY}
"""What a fence asks for; the second only of a primary that still answers."""


def _lose_rows(family: Family, standby: Server) -> Writer:
    """A client writes; the standby is cut off, the client goes on, then the primary crashes."""
    writer = family.write()
    before = writer.report().acknowledged
    wait_until("some rows", lambda: writer.report().acknowledged > before + 5, timeout=60)
    cut_off(standby)
    cut = writer.report().acknowledged
    wait_until("rows that will be lost", lambda: writer.report().acknowledged > cut + 5, timeout=60)
    crash(family.primary)
    return writer


def _take_over(family: Family, standby: Server) -> RoleChange:
    role_change = family.roles("failover")
    carry_out(plan_fence(role_change), **FENCE)
    loss = estimate_loss(role_change)
    carry_out(plan_promotion(role_change, loss), allow_promotion=True, accept_loss=True)
    carry_out(plan_service(role_change))
    return role_change


def test_a_lost_primary_is_replaced_and_the_loss_is_within_the_estimate(family: Family):
    standby = family.server("replica-a")
    writer = _lose_rows(family, standby)
    role_change = family.roles("failover")
    assert operation_checks(role_change).ok
    carry_out(plan_fence(role_change), **FENCE)
    assert role_change.progress.shutdown_state.state == "in production"
    loss = estimate_loss(role_change)
    assert loss.commits is not None
    promotion = plan_promotion(role_change, loss)
    promotion.grant(allow_promotion=True)
    with pytest.raises(GateClosed, match="not confirmed"):
        promotion.apply()
    assert role_change.candidate.refresh().in_recovery
    carry_out(promotion, allow_promotion=True, accept_loss=True)
    carry_out(plan_service(role_change))

    at = datetime.now(UTC)
    wait_until("the client writes again", lambda: writer.report(at).acknowledged > 2, timeout=60)
    found = writer.check_durability(role_change.candidate, writer.report())
    writer.stop()
    assert 0 < len(found.missing) <= loss.commits
    verify(failover_checks(role_change))
    title = plot_failover(role_change).finding
    assert "time without writes: not measured" in title
    assert f"did not reach the standby: at most {loss.commits:,}" in title
    assert not plan_fence(role_change)
    assert not plan_service(role_change)


@pytest.mark.long
def test_an_old_primary_that_is_scaled_back_is_read_only_and_can_return(family: Family):
    standby = family.server("replica-a")
    family.primary.execute("CREATE TABLE kept (n int)")
    cut_off(standby)
    family.primary.execute("CREATE TABLE lost (n int)")
    role_change = _take_over(family, standby)
    assert role_change.progress.shutdown_state.clean

    family.cluster.scale_and_wait(role_change.old.reload(), 1)
    old = family.server("postgres-primary")
    assert old.facts.in_recovery
    with pytest.raises(QueryFailed, match="read-only"):
        old.execute("INSERT INTO kept VALUES (1)")
    with pytest.raises(GateClosed, match="can't accept writes"):
        gate(fenced(role_change))
    family.cluster.scale_and_wait(role_change.old.reload(), 0)

    back = family.roles("rejoin")
    change = plan_rejoin(
        back,
        StandbySpec(PRIMARY, "replica_a", "postgres-primary"),
        back.source(ROLE, SECRET),
        discard_diverged="postgres-primary",
        wipe_standby_data="postgres-primary",
    )
    carry_out(change, discard_diverged="postgres-primary", wipe_standby_data="postgres-primary")
    verify(failover_checks(back))
    old = family.server("postgres-primary")
    assert old.scalar("SELECT to_regclass('lost') IS NULL AND to_regclass('kept') IS NOT NULL")


@pytest.mark.long
def test_a_pod_that_nobody_sees_go_needs_a_name_and_a_person(family: Family, monkeypatch: pytest.MonkeyPatch):
    """A finalizer holds the pod's object, and its container's state is unknown, as on a lost node."""
    monkeypatch.setattr(ended, "_ended", lambda *_: "")
    pod = family.primary.pod.name
    hold = {"metadata": {"finalizers": ["pgnb.test/hold"]}}
    family.cluster.patch("pods", pod, hold, "hold it")
    role_change = family.roles("failover")
    try:
        with pytest.raises(ParameterError, match="needs confirmed_by"):
            plan_fence(role_change, confirm_gone=pod)
        # While it is healthy, confirming it by name is not accepted.
        healthy = plan_fence(role_change, confirm_gone=pod, confirmed_by="Ada", timeout=1.0)
        healthy.grant(**FENCE)
        with pytest.raises(DeadlineExceeded, match="not every pod is known to be gone"):
            healthy.apply()
        loss = estimate_loss(role_change)
        assert loss.commits is None
        refused = plan_promotion(role_change, loss)
        refused.grant(allow_promotion=True, accept_loss=True)
        with pytest.raises(GateClosed, match="stopped"):
            refused.apply()

        wait_until("it is overdue", lambda: bool(role_change.old.unreachable_pods()), timeout=60)
        with pytest.raises(GateClosed, match="not confirmed"):
            plan_fence(role_change).apply()
        carry_out(
            plan_fence(role_change, confirm_gone=pod, confirmed_by="Ada"),
            confirm_gone=pod,
            accept_loss=True,
            **FENCE,
        )
        assert any("Ada confirms" in entry.what for entry in family.cluster.journal.entries)
        carry_out(plan_promotion(role_change, loss), allow_promotion=True, accept_loss=True)
        assert not role_change.candidate.refresh().in_recovery
    finally:
        family.cluster.patch("pods", pod, {"metadata": {"finalizers": None}}, "let it go")
