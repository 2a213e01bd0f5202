"""A publisher and a subscriber, which the files of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logical_pair import Pair, open_pair, start_pair


@pytest.fixture(scope="module")
def pair(kubeconfig: Path, shared: Callable[..., str], start_postgres: Callable[..., Any]) -> Iterator[Pair]:
    """Two servers with room for many subscriptions."""
    namespace = shared(lambda made: start_pair(str(kubeconfig), made, start_postgres).close())
    made = open_pair(str(kubeconfig), namespace, dry_run=False)
    yield made
    made.close()
