"""Waiting for a condition of the cluster until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from pgnb_rehearsal.errors import RehearsalError

_EVERY, _MOST = 0.02, 0.2
"""Seconds between the first looks, and in the end."""


def until(done: Callable[[], bool], timeout: float, *, what: str, found: Callable[[], str]) -> None:
    """Asks `done` ever less often; RehearsalError after `timeout` seconds, with what `found` says then."""
    deadline, pause, every = time.monotonic() + timeout, Event(), _EVERY
    while not done():
        if time.monotonic() > deadline:
            raise RehearsalError(
                f"Waited {timeout:.0f} s in vain for: {what}.",
                found=found(),
                remedy="`pgnb rehearsal down`, then `up` again; the daemon's log is in the state directory",
            )
        pause.wait(every)
        every = min(1.2 * every, _MOST)
