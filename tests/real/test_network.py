"""A network policy that lets in by labels (B6, A19)."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb.cluster import HelperPod
from pgnb.core.errors import DeadlineExceeded, NotFound, ParameterError
from pgnb.core.wait import wait_until
from tests.real.place import STOPPED_LATER, Place
from tests.real.servers import PRIMARY, STANDBY, plain

CLIENT = {"db-client": "yes"}
ENFORCED = 60.0


def policy() -> dict[str, Any]:
    """Only pods with the label, and the standby, reach the primary."""
    allowed = [{"podSelector": {"matchLabels": labels}} for labels in (CLIENT, {"app": STANDBY})]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "clients"},
        "spec": {
            "podSelector": {"matchLabels": {"app": PRIMARY}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": allowed}],
        },
    }


def reaches(place: Place) -> bool:
    """Whether a pod without labels reaches the primary: from a helper in the primary's own image."""
    pod = place.cluster.pod(f"app={PRIMARY}")
    probe = HelperPod("reach", pod.image, ("pg_isready", "-q", "-t", "3", "-h", pod.ip)).like(pod)
    return place.cluster.run_helper(probe, check=False).exit_status == 0


@pytest.fixture
def guarded(place: Place) -> Place:
    """A primary behind a policy that this cluster enforces."""
    place.start_primary(plain)
    place.passes("02")
    assert reaches(place)
    try:
        place.cluster.create(policy())
    except (NotFound, ParameterError) as unknown:
        pytest.skip(f"this cluster knows no NetworkPolicy: {unknown.message}")
    try:
        wait_until(
            "the policy to be enforced", lambda: reaches(place), lambda open_: not open_, timeout=ENFORCED
        )
    except DeadlineExceeded:
        pytest.skip(f"this cluster's network does not enforce NetworkPolicies: open after {ENFORCED:.0f} s")
    return place


def test_a_helper_without_the_label_is_told_that_a_policy_stands_between(guarded: Place) -> None:
    guarded.stops("03", "NetworkPolicy", status=STOPPED_LATER)
    assert guarded.cluster.pods(f"app={STANDBY}") == ()


def test_helpers_with_the_label_that_the_policy_lets_in_make_a_standby(guarded: Place) -> None:
    guarded.passes("03", "04", helper_pods={"labels": CLIENT})
