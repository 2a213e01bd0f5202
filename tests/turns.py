"""Tests of speed, marked `alone`: each runs while no other test does, in this process or another worker's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path

_TURNSTILE = Path(__file__)
_RUNNING = Path(__file__).with_name("conftest.py")


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Hold `_RUNNING`, shared or alone. Whoever waits for that keeps the turnstile, so that nobody overtakes.

    The locks are on files of the source tree: they need none of their own, and end with their process.
    """
    with _TURNSTILE.open() as turnstile, _RUNNING.open() as running:
        flock(turnstile, LOCK_EX)
        flock(running, LOCK_EX if alone else LOCK_SH)
        flock(turnstile, LOCK_UN)
        yield
