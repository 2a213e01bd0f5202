"""Waiting for a condition of the cluster until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from pgnb.errors import RehearsalError

_EVERY = 0.02


def until(done: Callable[[], bool], timeout: float, *, what: str, found: Callable[[], str]) -> None:
    """Asks `done` every 20 ms; RehearsalError after `timeout` seconds, with what `found` says then."""
    deadline, pause = time.monotonic() + timeout, Event()
    while not done():
        if time.monotonic() > deadline:
            raise RehearsalError(
                f"Waited {timeout:.0f} s in vain for: {what}.",
                found=found(),
                remedy="`pgnb rehearsal down`, then `up` again; the daemon's log is in the state directory",
            )
        pause.wait(_EVERY)
