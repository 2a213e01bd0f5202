"""A publisher and a subscriber, which the files of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trouble_stage import Stage, open_servers, start_stage

from pgnb.cluster import connect

_ROOM = (
    "-c",
    "max_logical_replication_workers=50",
    "-c",
    "max_worker_processes=60",
    "-c",
    "max_replication_slots=60",
    "-c",
    "wal_retrieve_retry_interval=500ms",
)


@pytest.fixture(scope="module")
def stage(
    kubeconfig: Path, shared: Callable[..., str], start_postgres: Callable[..., Any]
) -> Iterator[Stage]:
    """A publisher, and a subscriber with room for many subscriptions that retries soon."""
    namespace = shared(lambda made: start_stage(str(kubeconfig), made, start_postgres, *_ROOM).close())
    made = open_servers(str(kubeconfig), connect(str(kubeconfig), "", namespace, dry_run=False))
    yield made
    made.close()
