"""Namespaces that do not take every pod: Pod Security `restricted`, quotas, limit ranges (A7, A8; R5, R6)."""

from __future__ import annotations

from tests.real.place import Place
from tests.real.servers import metered, plain, restricted

HARD = {"requests.cpu": "4", "requests.memory": "4Gi", "limits.cpu": "8", "limits.memory": "8Gi"}
SMALL = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}}


def limit(place: Place) -> None:
    """A quota on cpu and memory, and no defaults."""
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": HARD},
    }
    place.cluster.create(body)


def test_a_standby_and_a_subscriber_are_made_in_a_restricted_namespace(place: Place) -> None:
    place.label("pod-security.kubernetes.io/enforce", "restricted")
    place.start_primary(restricted)
    place.passes("02", "03", "04", "12")


def test_a_standby_and_a_subscriber_are_made_where_a_quota_wants_limits(place: Place) -> None:
    limit(place)
    place.start_primary(metered)
    place.passes("02", "03", "04", "12")


def test_a_server_without_limits_is_told_before_anything_is_made_and_what_helps_helps(place: Place) -> None:
    place.start_primary(plain)
    place.passes("02")
    limit(place)
    place.stops("03", "failed quota: small: must specify limits.cpu for: ", "helper_pods and server_pods")
    place.stops("12", "failed quota: small: must specify limits.cpu for: ")
    assert place.cluster.get("configmaps", "postgres-async-replica-config") is None
    given = {"helper_pods": {"resources": SMALL}, "server_pods": {"resources": SMALL}}
    place.passes("03", "04", "12", **given)


def test_a_limit_range_gives_what_a_quota_wants(place: Place) -> None:
    place.start_primary(plain)
    place.passes("02")
    limit(place)
    item = {"type": "Container", "default": SMALL["limits"], "defaultRequest": SMALL["requests"]}
    meta = {"name": "usual"}
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": {"limits": [item]}}
    place.cluster.create(body)
    place.passes("03", "04")
