"""Both servers, each test's own: a cut-over happens once."""

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
