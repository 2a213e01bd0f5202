"""A primary and one standby, fresh for each test that changes roles, and a module's for those that don't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from failover_stage import Family, open_family


@pytest.fixture
def family(namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Family]:
    """A primary, and `replica-a`, which streams from it."""
    with _family(namespace, kubeconfig, start_postgres) as made:
        yield made


@pytest.fixture(scope="module")
def kept(module_namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Family]:
    """The same for the tests of a module that leave everybody's role as it is."""
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
