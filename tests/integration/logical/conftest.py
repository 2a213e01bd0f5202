"""A publisher and a subscriber for the tests of one module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logical_pair import Pair, start_pair


@pytest.fixture(scope="module")
def pair(module_namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Pair]:
    """Two servers with room for many subscriptions."""
    made = start_pair(str(kubeconfig), module_namespace, start_postgres)
    yield made
    made.close()
