"""Run the same work in several databases at a time; a failure does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pgnb.core.errors import ChangeFailed, PgnbError

AT_ONCE = 8
"""Databases at the same time: each takes one connection on either side, and a process in a helper pod."""
In = TypeVar("In")
Out = TypeVar("Out")


def map_parallel(work: Callable[[In], Out], items: Iterable[In], *, at_once: int = AT_ONCE) -> list[Out]:
    """Return the results in order; for reads: the first error ends all."""
    given = list(items)
    if len(given) < 2:
        return [work(item) for item in given]
    with ThreadPoolExecutor(min(at_once, len(given)), thread_name_prefix="pgnb-logical") as pool:
        return list(pool.map(work, given))


def run_all(
    work: Callable[[In], Out], items: Iterable[In], label: Callable[[In], str], *, at_once: int = AT_ONCE
) -> list[Out]:
    """Return the results in order, after trying every item.

    Raises ChangeFailed with those that failed and why.
    """

    def attempt(item: In) -> Out | PgnbError:
        try:
            return work(item)
        except PgnbError as error:
            return error

    given = list(items)
    results = map_parallel(attempt, given, at_once=at_once)
    failed = [(label(item), r) for item, r in zip(given, results, strict=True) if isinstance(r, PgnbError)]
    if failed:
        messages = "; ".join(f"{name}: {error.message}" for name, error in failed)
        raise ChangeFailed(
            f"{len(failed)} of {len(given)} failed: {messages}",
            found="; ".join(f"{name}: {e.found}" for name, e in failed if e.found),
            remedy=" ".join(dict.fromkeys(e.remedy for _, e in failed if e.remedy))
            + " The others were completed; run this again when the cause is removed.",
        ) from failed[0][1]
    return [result for result in results if not isinstance(result, PgnbError)]
