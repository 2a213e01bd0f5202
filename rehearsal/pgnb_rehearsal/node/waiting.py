"""Waiting for one thing or another, without leaving a task behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any


async def before(thing: Awaitable[Any], event: asyncio.Event) -> bool:
    """Wait for `thing` or `event`; True when `thing` was there first. `thing` goes on if it was not."""
    waited = asyncio.ensure_future(thing)
    signalled = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((waited, signalled), return_when=asyncio.FIRST_COMPLETED)
        return waited.done()
    finally:
        signalled.cancel()
        await asyncio.gather(signalled, return_exceptions=True)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until `event` is set, at most `seconds`; True when it is."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
