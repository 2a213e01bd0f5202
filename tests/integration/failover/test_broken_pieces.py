"""A failover completes with any part of the old primary broken; a weak fence must be confirmed by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from failover_stage import PASSWORD, PRIMARY, Family

from pgnb.core.errors import GateClosed, NotFound
from pgnb.core.plan import gate
from pgnb.core.wait import wait_until
from pgnb.physical.failover import (
    estimate_loss,
    operation_checks,
    plan_fence,
    plan_promotion,
    plan_service,
)

pytestmark = pytest.mark.long

STRONG = {"allow_promotion": True, "accept_loss": True, "fence_answering_primary": PRIMARY}


def _template(family: Family, change: Callable[[dict[str, Any]], None]) -> None:
    """A rollout that never becomes Ready."""
    found = family.cluster.get("deployments", PRIMARY)
    assert found is not None
    spec = found["spec"]["template"]["spec"]
    change(spec)
    body = {"spec": {"template": {"spec": spec}}}
    family.cluster.patch("deployments", PRIMARY, body, "a bad rollout")
    family.primary.close()
    wait_until(
        "no Ready pod",
        lambda: family.cluster.pods(f"app={PRIMARY}"),
        lambda pods: bool(pods) and not any(pod.ready or pod.deleting for pod in pods),
        timeout=60,
    )


def _image(family: Family) -> None:
    _template(family, lambda spec: spec["containers"][0].update(image="no.such.registry/postgres:17"))


def _config_map(family: Family) -> None:
    missing = [{"configMapRef": {"name": "no-such-config"}}]
    _template(family, lambda spec: spec["containers"][0].update(envFrom=missing))


def _pull_secret(family: Family) -> None:
    def change(spec: dict[str, Any]) -> None:
        spec["imagePullSecrets"] = [{"name": "no-such-secret"}]
        spec["containers"][0]["image"] = "no.such.registry/postgres:17"

    _template(family, change)


def _node(family: Family) -> None:
    _template(
        family, lambda spec: spec.update(nodeSelector={"kubernetes.io/hostname": "a-node-that-is-gone"})
    )


def _claim(family: Family) -> None:
    """Its volume went with the node: the claim is deleted, too."""
    family.cluster.scale_and_wait(family.cluster.find_workload("Deployment", PRIMARY), 0)
    family.primary.close()
    family.cluster.delete("persistentvolumeclaims", PRIMARY)
    wait_until(
        "no claim",
        lambda: family.cluster.get("persistentvolumeclaims", PRIMARY),
        lambda found: found is None,
        timeout=30,
    )


@pytest.mark.parametrize("broken", [_image, _claim, _config_map, _pull_secret, _node])
def test_a_failover_goes_through(family: Family, broken: Callable[[Family], None]):
    broken(family)
    weak = broken is _claim
    family = family.other()
    role_change = family.roles("failover")
    assert operation_checks(role_change).ok
    fence = plan_fence(role_change)
    allowed = dict(STRONG)
    if weak:
        with pytest.raises(GateClosed) as closed:
            gate(fence, **allowed)
        assert "accept_weak_fence" in closed.value.found
        assert PRIMARY in closed.value.remedy
        allowed["accept_weak_fence"] = PRIMARY
    gate(fence, **allowed)
    fence.apply()
    assert role_change.progress.fenced_on_disk is not weak
    loss = estimate_loss(role_change)
    assert (loss.commits is None) is weak
    promotion = plan_promotion(role_change, loss)
    gate(promotion, **allowed)
    promotion.apply()
    plan_service(role_change).apply()
    assert not role_change.candidate.refresh().in_recovery


def test_a_password_whose_secret_is_gone_is_given_in_another_way(
    family: Family, monkeypatch: pytest.MonkeyPatch
):
    """The Secret is also needed for the standbys: its value may come from elsewhere."""
    value = family.cluster.resolve_password(PASSWORD).reveal()
    family.cluster.delete("secrets", PRIMARY)
    monkeypatch.setenv("OLD_PASSWORD", value)
    with pytest.raises(NotFound) as missing:
        family.other().roles("failover")
    assert "env:NAME" in missing.value.remedy
    role_change = family.roles("failover", password="env:OLD_PASSWORD")
    assert operation_checks(role_change).ok
