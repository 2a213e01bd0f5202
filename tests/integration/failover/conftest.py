"""A primary and one standby, fresh for each test: a change of roles can't be shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from failover_stage import Family, open_family


@pytest.fixture
def family(namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Family]:
    """A primary, and `replica-a`, which streams from it."""
    start_postgres(namespace, "postgres-primary")
    made = open_family(kubeconfig, namespace)
    made.add("replica-a")
    yield made
    made.primary.close()
    made.cluster.close()
