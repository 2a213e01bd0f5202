"""Where a pod may run, and with which resources: copied from the server's pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb.cluster.quantity import quantity

_PLACED_BY = (
    "nodeSelector",
    "tolerations",
    "imagePullSecrets",
    "affinity",
    "runtimeClassName",
    "priorityClassName",
    "schedulerName",
)
_ONE_NODE = "kubernetes.io/hostname"
_BY_DEFAULT = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
"""Tolerations that the API server gives to every pod."""
_METERED = ("cpu", "memory", "ephemeral-storage")
_SMALL = {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "64Mi"}


def placement(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a pod's spec that decides where it may run and where its image comes from."""
    found = {key: spec[key] for key in _PLACED_BY if spec.get(key)}
    tolerations = [t for t in found.pop("tolerations", []) if not _by_default(t)]
    return found | ({"tolerations": tolerations} if tolerations else {})


def elsewhere(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the placement of a new server: on nodes of the same kind, but bound to no single one.

    Pod affinity is left out, because it is about the first server's own pods.
    """
    found = placement(spec)
    selector = {key: value for key, value in found.pop("nodeSelector", {}).items() if key != _ONE_NODE}
    node = found.pop("affinity", {}).get("nodeAffinity")
    pinned = node is not None and _ONE_NODE in str(node)
    return (
        found
        | ({"nodeSelector": selector} if selector else {})
        | ({"affinity": {"nodeAffinity": node}} if node and not pinned else {})
    )


def helper_resources(container: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resources of a helper beside that container: its limits, and small requests.

    The limits satisfy a quota that requires limits. The requests are small, because the helper may have to
    run on the server's own node, beside the server.
    """
    own = container.get("resources") or {}
    limits = {key: value for key, value in (own.get("limits") or {}).items() if key in _METERED}
    wanted = {**limits, **(own.get("requests") or {})}
    requests = {key: _smaller(key, wanted[key]) for key in _METERED if key in wanted}
    return {key: value for key, value in (("requests", requests), ("limits", limits)) if value}


def _smaller(key: str, value: str) -> str:
    return value if quantity(str(value)) < quantity(_SMALL[key]) else _SMALL[key]


def _by_default(toleration: Mapping[str, Any]) -> bool:
    return toleration.get("key") in _BY_DEFAULT and toleration.get("tolerationSeconds") == 300
