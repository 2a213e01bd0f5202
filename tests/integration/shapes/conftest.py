"""A primary of some shape in a namespace of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from shaped import SETTINGS, Shape

from pgnb.cluster import Cluster, connect
from pgnb.wait import wait_until


@dataclass(frozen=True)
class Place:
    """A namespace with a primary in it, and the parameters of a run there."""

    cluster: Cluster
    shape: Shape
    parameters: dict[str, Any]


@pytest.fixture
def place(kubeconfig: Path, namespace: str) -> Iterator[Callable[[Shape], Place]]:
    """`place(shape)`: the shape's objects in the test's namespace, its server Ready."""
    cluster = connect(str(kubeconfig), "", namespace, dry_run=False)

    def make(shape: Shape) -> Place:
        bring_up(cluster, shape)
        given = {
            "kubeconfig": str(kubeconfig), "context": "", "namespace": namespace, "dry_run": "false",
            "settings": SETTINGS, "transactions": 50, **shape.parameters,
        }  # fmt: skip
        return Place(cluster, shape, given)

    yield make
    cluster.close()


def bring_up(cluster: Cluster, shape: Shape) -> None:
    """Make a shape's objects and wait until its pod is Ready."""
    for manifest in shape.manifests:
        cluster.create(manifest)
    selector = cluster.find_workload(shape.kind, shape.name).selector
    wait_until(
        f"{shape.name} to be Ready", lambda: cluster.pods(selector),
        lambda pods: bool(pods) and all(pod.ready for pod in pods), timeout=90, every=0.1,
        describe=lambda pods: "; ".join(pod.trouble or "Ready" for pod in pods),
    )  # fmt: skip
