"""A primary with some rows, for the tests of one module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from replication_stage import ROWS, Stage, open_stage


@pytest.fixture(scope="module")
def stage(module_namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Stage]:
    """A primary with rows, in the module's namespace."""
    start_postgres(module_namespace, "postgres-primary")
    made = open_stage(kubeconfig, module_namespace)
    made.primary.execute(
        "CREATE TABLE kept AS SELECT n, repeat(md5(n::text), 8) AS filling"
        f" FROM generate_series(1, {ROWS}) AS n"
    )
    yield made
    made.primary.close()
    made.cluster.close()
