"""All controllers on a fresh store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from controller_bench import NAMESPACE, NODE, Bench

from pgnb_rehearsal.api.bootstrap import bootstrap
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.cluster_objects import create_cluster_objects
from pgnb_rehearsal.manager import controllers


@pytest.fixture
def bench(tmp_path: Path) -> Callable[[], Any]:
    """`async with bench() as b:` - all controllers on a fresh store with the namespace `ns`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Bench]:
        store = Store()
        bootstrap(store)
        create_cluster_objects(store, NODE)
        store.create("namespaces", {"metadata": {"name": NAMESPACE}})
        running = [
            asyncio.create_task(controller.run())
            for controller in controllers(store, node=NODE, volumes=tmp_path, owner=None, ca_certificate="CA")
        ]
        bench = Bench(store)
        await bench.settled()
        try:
            yield bench
        finally:
            for task in running:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*running)

    return opened
