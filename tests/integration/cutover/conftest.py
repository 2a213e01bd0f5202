"""Both servers: a pair for each test, since a cut-over happens once; shared pairs for tests that undo it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_stage import Stage, start_stage


@pytest.fixture
def stage(kubeconfig: Path, namespace: str, start_postgres: Callable[..., Any]) -> Iterator[Stage]:
    """A publisher whose three databases are replicated to a subscriber."""
    made = start_stage(str(kubeconfig), namespace, start_postgres)
    yield made
    made.close()


@pytest.fixture(scope="module")
def kept(kubeconfig: Path, module_namespace: str, start_postgres: Callable[..., Any]) -> Iterator[Stage]:
    """A shared pair, for tests after which the publisher is still the publisher, and one last test."""
    made = start_stage(str(kubeconfig), module_namespace, start_postgres)
    yield made
    made.close()
