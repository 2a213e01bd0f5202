"""The cluster as pgnb sees it, in a namespace of the rehearsal with one PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pgnb.cluster import Cluster, Pod, connect


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path, module_namespace: str) -> Iterator[Cluster]:
    """The module's namespace, where changes are carried out."""
    found = connect(str(kubeconfig), namespace=module_namespace)
    assert found.dry_run is False, "the namespace is labelled for practice"
    yield found
    found.close()


@pytest.fixture(scope="module")
def server(cluster: Cluster, start_postgres: Callable[..., Any]) -> Any:
    """A server with its data on a claim, run by a Deployment with Recreate."""
    return start_postgres(cluster.namespace)


@pytest.fixture
def pod(cluster: Cluster, server: Any) -> Pod:
    """The server's pod as it is now."""
    return cluster.pod(server.selector)
