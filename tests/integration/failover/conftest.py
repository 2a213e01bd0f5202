"""A primary and one standby: new for each test that changes roles, one per module for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from failover_stage import Family, open_family

from pgnb_rehearsal.client import Client
from pgnb_rehearsal.waiting import until
from tests.conftest import postgres_objects
from tests.versions import USUAL


@pytest.fixture
def family(namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Family]:
    """A primary, and `replica-a`, which streams from it."""
    with _family(namespace, kubeconfig, start_postgres) as made:
        yield made


@pytest.fixture(scope="module")
def kept(module_namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Family]:
    """Yield the same for a module's tests that change no role."""
    with _family(module_namespace, kubeconfig, start_postgres) as made:
        yield made


@contextmanager
def _family(namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Family]:
    start_postgres(namespace, "postgres-primary")
    made = open_family(kubeconfig, namespace)
    made.add("replica-a")
    yield made
    made.primary.close()
    made.cluster.close()


@pytest.fixture
def start_server(api: Client) -> Callable[..., None]:
    """`start_server(namespace, name, kind=…, patch=…)`: a server of either kind of workload, Ready."""

    def start(namespace: str, name: str, *, kind: str = "deployment", patch: Any = None) -> None:
        plural = f"{kind}s"
        for path, obj in postgres_objects(namespace, name, (), {}, f"postgres:{USUAL}"):
            if patch is not None:
                patch(obj)
            if path.endswith("/deployments") and plural == "statefulsets":
                path = path.replace("deployments", plural)
                del obj["spec"]["strategy"]
                obj["spec"]["serviceName"] = name
            api.create(path, obj)
        path = f"/apis/apps/v1/namespaces/{namespace}/{plural}/{name}"

        def ready() -> bool:
            return bool((api.get(path).get("status") or {}).get("readyReplicas"))

        until(ready, 60.0, what=f"{name} ready", found=lambda: str(api.get(path).get("status")))

    return start
