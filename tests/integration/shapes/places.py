"""A namespace of the rehearsal with a primary of some shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shaped import Shape

from pgnb.cluster import Cluster
from pgnb.core.wait import wait_until


@dataclass(frozen=True)
class Place:
    """A namespace with a primary in it, and the parameters of a run there."""

    cluster: Cluster
    shape: Shape
    parameters: dict[str, Any]


def bring_up(cluster: Cluster, shape: Shape) -> None:
    """Make a shape's objects and wait until its pod is Ready."""
    for manifest in shape.manifests:
        cluster.create(manifest)
    selector = cluster.find_workload(shape.kind, shape.name).selector
    wait_until(
        f"{shape.name} to be Ready",
        lambda: cluster.pods(selector),
        lambda pods: bool(pods) and all(pod.ready for pod in pods),
        timeout=90,
        every=0.1,
        describe=lambda pods: "; ".join(pod.not_ready_reason or "Ready" for pod in pods),
    )
