"""A primary of some shape in a namespace of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from places import Place, bring_up
from shaped import SETTINGS, Shape

from pgnb.cluster import connect


@pytest.fixture
def place(kubeconfig: Path, namespace: str) -> Iterator[Callable[[Shape], Place]]:
    """`place(shape)`: the shape's objects in the test's namespace, its server Ready."""
    cluster = connect(str(kubeconfig), "", namespace, dry_run=False)

    def make(shape: Shape) -> Place:
        bring_up(cluster, shape)
        given = {
            "kubeconfig": str(kubeconfig),
            "context": "",
            "namespace": namespace,
            "dry_run": "false",
            "settings": SETTINGS,
            "transactions": 50,
            **shape.parameters,
        }
        return Place(cluster, shape, given)

    yield make
    cluster.close()
