"""A work queue of object keys: each key once, in order of arrival, now or after a delay."""

from __future__ import annotations

import asyncio
from typing import NamedTuple


class Key(NamedTuple):
    """Names an object of the kind that a controller reconciles; `namespace` is "" for cluster-wide kinds."""

    namespace: str
    name: str


class WorkQueue:
    """Keys that wait to be reconciled. A key that is added again while it waits is reconciled once."""

    def __init__(self) -> None:
        self._ready: dict[Key, None] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._filled = asyncio.Event()

    def add(self, key: Key) -> None:
        self._ready.setdefault(key)
        self._filled.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Adds `key` in `seconds`; an earlier appointment of the same key stands."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def get(self) -> Key:
        while not self._ready:
            self._filled.clear()
            await self._filled.wait()
        key = next(iter(self._ready))
        del self._ready[key]
        return key

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
