"""A publisher and a subscriber for the tests of one module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trouble_stage import Stage, start_stage

_ROOM = ("-c", "max_logical_replication_workers=20", "-c", "max_worker_processes=30",
         "-c", "max_replication_slots=30", "-c", "wal_retrieve_retry_interval=500ms")  # fmt: skip


@pytest.fixture(scope="module")
def stage(kubeconfig: Path, module_namespace: str, start_postgres: Callable[..., Any]) -> Iterator[Stage]:
    """A publisher, and a subscriber with room for many subscriptions that retries soon."""
    made = start_stage(str(kubeconfig), module_namespace, start_postgres, *_ROOM)
    yield made
    made.close()
