"""Whoever changed or may change what section 9 works on: conflicts, autoscalers, and changes that stopped."""

from __future__ import annotations

import pytest
from failover_stage import PASSWORD, PRIMARY, STANDBYS, Family, carry_out

from pgnb.errors import Conflict, GateClosed, PodError
from pgnb.operate.diagnosis import collect_evidence, diagnose
from pgnb.operate.failover import plan_fence, plan_switchover, role_change_checks
from pgnb.operate.failover.inprogress import clear_mark, mark_phase
from pgnb.plan import gate


def test_what_somebody_else_changed_since_the_plan_is_not_overwritten(kept: Family):
    pair = kept.roles("switchover")
    workload = pair.old.workload
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
    pair = kept.roles("switchover")
    mark_phase(pair, "stop writes", stopped=True)
    (told,) = role_change_checks(kept.cluster).items
    assert "writes are stopped by" in told.found and "replica-a" in told.found
    assert "path = switchover" in told.remedy
    seen = diagnose(collect_evidence(kept.cluster, f"app={PRIMARY}", STANDBYS, password=PASSWORD))
    assert seen.find("role-change", PRIMARY) is not None
    mark_phase(kept.roles("switchover"), "fence", replicas=0)
    kept.cluster.scale_and_wait(kept.cluster.find_workload("Deployment", PRIMARY), 0)
    with pytest.raises(PodError) as missing:
        kept.cluster.pod(f"app={PRIMARY}")
    assert "fenced (scaled to 0) by" in missing.value.found
    assert "path = failover" in missing.value.remedy
    kept.cluster.scale_and_wait(kept.cluster.find_workload("Deployment", PRIMARY), 1)
    assert clear_mark(kept.roles("switchover")) == "over"
    kept.primary.reopen()
    assert role_change_checks(kept.cluster).items[0].ok
