"""A rehearsal cluster with the sample for each module of this folder, and what looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgnb.cluster import Cluster, connect
from pgnb.postgres import Server, find_server
from pgnb.runbook.records import Archive
from pgnb_rehearsal.lifecycle import Rehearsal
from tests.notebooks.runs import NAMESPACE, PASSWORD, SUBSCRIBER_SECRET


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory whose rehearsal cluster is where the notebooks look by default."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def cluster_of_notebooks(home: Path, own_rehearsal: Callable[[str, Path], Rehearsal]) -> Rehearsal:
    """A rehearsal cluster with the sample, called `rehearsal`, in that home."""
    return own_rehearsal("rehearsal", home / ".local/state/pgnb")


@pytest.fixture(scope="module")
def given(cluster_of_notebooks: Rehearsal) -> dict[str, str]:
    """The parameters that lead to that cluster."""
    running = cluster_of_notebooks
    return {"kubeconfig": str(running.kubeconfig), "context": running.context, "namespace": NAMESPACE}


@pytest.fixture(scope="module")
def observer(given: dict[str, str]) -> Iterator[Cluster]:
    """The cluster as somebody sees it who changes nothing."""
    cluster = connect(**given, dry_run=True)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The module's records."""
    return Archive(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what plain papermill leaves: executed notebooks and journals."""
    return tmp_path_factory.mktemp("executed")


@pytest.fixture
def primary(observer: Cluster) -> Iterator[Server]:
    """The primary, read-only."""
    yield from _server(observer, "app=postgres-primary", PASSWORD)


@pytest.fixture
def publisher(primary: Server) -> Server:
    """The primary as logical replication calls it."""
    return primary


@pytest.fixture
def standby(observer: Cluster) -> Iterator[Server]:
    """The physical standby."""
    yield from _server(observer, "app=postgres-async-replica", PASSWORD)


@pytest.fixture
def subscriber(observer: Cluster) -> Iterator[Server]:
    """The subscriber, read-only."""
    yield from _server(observer, "app=postgres-subscriber", f"secret:{'/'.join(SUBSCRIBER_SECRET)}")


def _server(cluster: Cluster, selector: str, password: str) -> Iterator[Server]:
    server = find_server(cluster, selector, password=password)
    yield server
    server.close()
