"""A PostgreSQL server of its own for each module of these tests, found as a notebook finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pgnb.cluster import Cluster, connect
from pgnb.postgres import Server, find_server


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path, module_namespace: str) -> Iterator[Cluster]:
    """The module's namespace, where changes are carried out."""
    found = connect(str(kubeconfig), namespace=module_namespace, dry_run=False)
    yield found
    found.close()


@pytest.fixture(scope="module")
def planning(kubeconfig: Path, module_namespace: str) -> Iterator[Cluster]:
    """The same namespace in a plan-only run."""
    found = connect(str(kubeconfig), namespace=module_namespace, dry_run=True)
    yield found
    found.close()


@pytest.fixture(scope="module")
def find(cluster: Cluster, start_postgres: Callable[..., Any]) -> Iterator[Callable[..., Server]]:
    """`find("name", args=…)`: start a server in the module's namespace, and find it."""
    found: list[Server] = []

    def start(name: str, **options: Any) -> Server:
        started = start_postgres(cluster.namespace, name, **options)
        found.append(find_server(cluster, started.selector, password=f"secret:{name}/password"))
        return found[-1]

    yield start
    for server in found:
        server.close()


@pytest.fixture(scope="module")
def server(find: Callable[..., Server]) -> Server:
    """The module's server."""
    return find("primary")
