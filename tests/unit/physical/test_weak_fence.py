"""What may scale a fenced primary back: autoscalers of its workload, tools that manage it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.core.errors import AccessDenied, NotFound
from pgnb.physical.failover.participants import RoleChangeProgress
from pgnb.physical.failover.weak import reconcilers, weak_fence


def _pair(found: dict[str, Any], *, managed_by: tuple[str, ...] = (), weak: str = "") -> Any:
    workload = SimpleNamespace(kind="StatefulSet", name="db", managed_by=managed_by)

    def listed(kind: str) -> Any:
        answer = found.get(kind, NotFound("the server could not find the requested resource"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    old = SimpleNamespace(
        reload=lambda: workload,
        workload=workload,
        name="statefulset/db",
        fence_limitation=weak,
        target=None if weak else object(),
    )
    return SimpleNamespace(old=old, cluster=SimpleNamespace(list=listed), progress=RoleChangeProgress())


def _scaler(name: str, kind: str | None, target: str) -> dict[str, Any]:
    reference = {"name": target, **({"kind": kind} if kind else {})}
    return {"metadata": {"name": name}, "spec": {"scaleTargetRef": reference}}


def test_autoscalers_of_the_workload_are_named_and_others_are_not():
    hpas = [
        _scaler("a", "StatefulSet", "db"),
        _scaler("b", "Deployment", "db"),
        _scaler("c", "StatefulSet", "x"),
    ]
    keda = [_scaler("k", "StatefulSet", "db"), _scaler("d", None, "db")]
    role_change = _pair({"horizontalpodautoscalers": hpas, "scaledobjects": keda})
    assert reconcilers(role_change) == ["horizontalpodautoscaler/a", "scaledobject/k"]
    (confirmation,) = weak_fence(role_change)
    assert (confirmation.parameter, confirmation.value) == ("accept_weak_fence", "db")
    assert "scaledobject/k" in confirmation.why


def test_a_cluster_without_these_kinds_asks_for_nothing():
    assert weak_fence(_pair({})) == []


def test_pgnb_itself_scales_nothing_back():
    assert weak_fence(_pair({}, managed_by=("pgnb",))) == []


@pytest.mark.parametrize("tool", ["Argo CD", "Flux", "Helm"])
def test_a_tool_that_manages_it_is_named(tool):
    assert tool in weak_fence(_pair({}, managed_by=(tool,)))[0].why


def test_what_can_not_be_seen_counts_as_somebody():
    role_change = _pair({"horizontalpodautoscalers": AccessDenied("forbidden")})
    assert (
        "possibly one of horizontalpodautoscalers, which can't be read (forbidden)"
        in weak_fence(role_change)[0].why
    )


def test_a_volume_that_can_not_be_fenced_is_weak():
    assert "emptyDir" in weak_fence(_pair({}, weak="its data lie on an emptyDir"))[0].why
