"""The only thread of this process that runs asyncio, as long as it is needed."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable, Coroutine
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Loop:
    """An event loop in its own thread: started by the first `hold`, ended by the last `release`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holders: dict[object, Callable[[], None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None

    def hold(self, holder: object, end: Callable[[], None]) -> None:
        """Keep the loop running for `holder`; `end` makes it release the loop. Holding twice counts once."""
        with self._lock:
            self._holders[holder] = end
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = Thread(target=self._loop.run_forever, name="pgnb-streams", daemon=True)
                self._thread.start()

    def release(self, holder: object) -> None:
        """End the loop, its tasks and its thread if nobody holds it any more."""
        with self._lock:
            self._holders.pop(holder, None)
            loop, thread = self._loop, self._thread
            if self._holders or loop is None or thread is None:
                return
            self._loop = self._thread = None
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and return its result; an interrupt here cancels it there."""
        loop = self._loop
        if loop is None:
            work.close()
            raise RuntimeError("the loop is not held")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End all holders, and so the loop; called when the interpreter ends."""
        for end in list(self._holders.values()):
            end()


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


LOOP = Loop()
atexit.register(LOOP.close)
