"""What stops section 9 or changes nothing: missing permissions, wrong parameters, plans, changes by others.

All of it on one primary and its standby, which keep their roles.
"""

from __future__ import annotations

import pytest
from failover_stage import PASSWORD, PRIMARY, ROLE, SECRET, STANDBYS, Family, carry_out, writable

from pgnb.core.errors import Conflict, GateClosed, ParameterError, PodError
from pgnb.core.plan import gate
from pgnb.core.wait import wait_until
from pgnb.diagnosis.physical import ExpectedReplication, collect_evidence, diagnose
from pgnb.physical import StandbySpec
from pgnb.physical.failover import (
    estimate_loss,
    operation_checks,
    plan_fence,
    plan_followers,
    plan_promotion,
    plan_rejoin,
    plan_service,
    plan_switchover,
    role_change_checks,
)
from pgnb.physical.failover.inprogress import clear_mark, mark_phase
from pgnb.postgres import ServerAccess

_NOTHING = {"allow_promotion": False, "allow_rejoin": False}


def test_a_healthy_primary_is_not_fenced_without_permission_and_without_its_name(kept: Family):
    for path in ("switchover", "failover", "rejoin"):
        with pytest.raises(GateClosed) as closed:
            gate(operation_checks(kept.roles(path), **_NOTHING))
        assert "confirmed by allow_" in closed.value.found
        with pytest.raises(ParameterError, match="rejoin_tablespaces maps a path that is not a tablespace"):
            operation_checks(kept.roles(path), rejoin_tablespaces={"/ts/old": "/ts/new"})
    before = len(kept.cluster.journal.entries)
    for granted, lacking in (
        ({}, "allow_promotion"),
        ({"allow_promotion": True}, "fence_answering_primary"),
        ({"fence_answering_primary": PRIMARY}, "allow_promotion"),
    ):
        fence = plan_fence(kept.roles("failover"))
        fence.grant(**granted)
        with pytest.raises(GateClosed, match="not confirmed") as closed:
            fence.apply()
        assert lacking in closed.value.found
    assert len(kept.cluster.journal.entries) == before
    kept.primary.execute("CREATE TABLE still_mine (n int)")
    assert kept.cluster.find_workload("Deployment", PRIMARY).replicas == 1


def test_nothing_is_promoted_while_the_old_primary_runs(kept: Family):
    role_change = kept.roles("failover")
    loss = estimate_loss(role_change)
    promotion = plan_promotion(role_change, loss)
    promotion.grant(allow_promotion=True, accept_loss=True)
    with pytest.raises(GateClosed) as closed:
        promotion.apply()
    assert "replicas" in closed.value.found
    assert role_change.candidate.refresh().in_recovery
    kept.primary.execute("CREATE TABLE mine_still (n int)")


def test_without_its_confirmation_nothing_happens(kept: Family):
    with pytest.raises(GateClosed, match="not confirmed"):
        plan_switchover(kept.roles("switchover")).apply()
    assert writable(kept.primary)


def test_a_candidate_that_is_behind_closes_the_gate(kept: Family):
    standby = kept.server("replica-a")
    standby.query("SELECT pg_wal_replay_pause()")
    role_change = kept.roles("switchover")
    wait_until("it is paused", lambda: not operation_checks(role_change).ok, timeout=60)
    change = plan_switchover(role_change)
    change.grant(allow_promotion=True)
    with pytest.raises(GateClosed, match="stopped"):
        change.apply()
    assert writable(kept.primary)
    standby.query("SELECT pg_wal_replay_resume()")
    wait_until("it replays again", lambda: operation_checks(role_change).ok, timeout=60)


def test_a_run_that_plans_changes_nothing_and_names_every_path(kept: Family):
    planning = kept.planning()
    for path in ("switchover", "failover", "rejoin"):
        role_change = planning.roles(path)
        source = role_change.source(ROLE, SECRET)
        gate(operation_checks(role_change))
        for change in (
            plan_switchover(role_change),
            plan_service(role_change),
            plan_followers(role_change, source),
            plan_rejoin(role_change, StandbySpec(PRIMARY, "replica_a", PRIMARY), source),
        ):
            assert not change.apply().changed
    assert not planning.cluster.journal.entries
    assert writable(kept.primary)


def test_bad_parameters_are_named(kept: Family):
    with pytest.raises(ParameterError, match="no operation"):
        kept.roles("sideways")
    with pytest.raises(ParameterError, match="no Ready standby is called"):
        kept.roles("switchover", candidate="replica-z")


def test_what_somebody_else_changed_since_the_plan_is_not_overwritten(kept: Family):
    role_change = kept.roles("switchover")
    workload = role_change.old.workload
    other = kept.other().cluster
    other.patch("deployments", PRIMARY, {"metadata": {"labels": {"team": "b"}}}, "somebody's change")
    with pytest.raises(Conflict, match="changed by somebody else since the plan") as conflict:
        kept.cluster.scale_and_wait(workload, 0)
    assert "metadata.labels.team" in conflict.value.found
    assert kept.cluster.find_workload("Deployment", PRIMARY).replicas == 1
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": {"a": "1"}}
    carry_out(kept.cluster.plan_apply(config, "made"))
    change = kept.cluster.plan_apply({**config, "data": {"a": "2"}}, "changed")
    other.patch("configmaps", "shared", {"data": {"b": "3"}}, "somebody's change")
    with pytest.raises(Conflict, match="changed by somebody else"):
        change.apply()
    assert kept.cluster.get("configmaps", "shared")["data"] == {"a": "1", "b": "3"}


def test_this_runs_own_changes_and_a_status_that_moves_are_no_conflict(kept: Family):
    workload = kept.cluster.find_workload("Deployment", "replica-a")
    kept.cluster.scale_and_wait(workload, 0)
    kept.cluster.scale_and_wait(workload, 1)


def test_who_may_scale_a_fenced_primary_back_must_be_named(kept: Family):
    marks = {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:x"}}}
    kept.cluster.patch("deployments", PRIMARY, marks, "Argo CD takes it over")
    try:
        for change in (plan_fence(kept.roles("failover")), plan_switchover(kept.roles("switchover"))):
            allowed = {"allow_promotion": True, "fence_answering_primary": PRIMARY}
            with pytest.raises(GateClosed) as closed:
                gate(change, **allowed)
            assert "accept_weak_fence" in closed.value.found
            assert "Argo CD" in closed.value.remedy
            gate(change, **allowed, accept_weak_fence=PRIMARY)
    finally:
        gone = {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": None}}}
        kept.cluster.patch("deployments", PRIMARY, gone, "and leaves it")


def test_a_change_of_roles_that_stopped_is_named_by_00_08_and_09(kept: Family):
    role_change = kept.roles("switchover")
    mark_phase(role_change, "stop writes", stopped=True)
    (told,) = role_change_checks(kept.cluster).items
    assert "writes are stopped by" in told.found and "replica-a" in told.found
    assert "operation = switchover" in told.remedy
    access, expected = ServerAccess(password=PASSWORD), ExpectedReplication()
    seen = diagnose(collect_evidence(kept.cluster, f"app={PRIMARY}", STANDBYS, access, expected))
    assert seen.find("role-change", PRIMARY) is not None
    mark_phase(kept.roles("switchover"), "fence", replicas=0)
    kept.cluster.scale_and_wait(kept.cluster.find_workload("Deployment", PRIMARY), 0)
    with pytest.raises(PodError) as missing:
        kept.cluster.pod(f"app={PRIMARY}")
    assert "fenced (scaled to 0) by" in missing.value.found
    assert "operation = failover" in missing.value.remedy
    kept.cluster.scale_and_wait(kept.cluster.find_workload("Deployment", PRIMARY), 1)
    assert clear_mark(kept.roles("switchover")) == "over"
    kept.primary.reopen()
    assert role_change_checks(kept.cluster).items[0].ok
