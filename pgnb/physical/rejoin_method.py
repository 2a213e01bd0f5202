"""Choose how an old primary rejoins, by what its data allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pgnb.core.errors import ParameterError
from pgnb.physical.old_primary_data import OldPrimaryData
from pgnb.physical.timelines import segment_of
from pgnb.postgres.progress import lsn_text

RejoinMethod = Literal["follow", "rewind", "base backup"]
"""By primary_conninfo alone; by pg_rewind; by a new base backup. From the least to the most invasive."""
REJOIN_METHODS: tuple[RejoinMethod, ...] = ("follow", "rewind", "base backup")


def choose_method(
    old_data: OldPrimaryData | None, oldest: str, *, tablespaces: bool = False, requested: str = "auto"
) -> tuple[RejoinMethod, str]:
    """Return the least invasive method, or the requested one, and why no less invasive one is possible.

    `old_data` is None if there are no data of this database cluster. `oldest` is the name, without the
    timeline, of the oldest WAL segment on the new primary. Raises ParameterError for a method that is not
    possible.
    """
    against = blockers(old_data, oldest, tablespaces=tablespaces)
    if requested not in ("auto", *REJOIN_METHODS):
        raise ParameterError(
            f"there is no rejoin method {requested!r}",
            remedy=f"Use one of auto, {', '.join(REJOIN_METHODS)}.",
        )
    method = next(
        method
        for method in REJOIN_METHODS
        if requested in (method, "auto") and (requested != "auto" or not against[method])
    )
    if against[method]:
        raise ParameterError(
            f"the rejoin method {method!r} is not possible for this data directory",
            found="; ".join(against[method]),
            remedy="Use auto: pgnb then takes the least invasive method that the data allow.",
        )
    passed = [
        f"not by {other}: {'; '.join(against[other])}"
        for other in REJOIN_METHODS[: REJOIN_METHODS.index(method)]
        if against[other]
    ]
    return method, ". ".join(passed)


def blockers(
    old_data: OldPrimaryData | None, oldest: str, *, tablespaces: bool = False
) -> Mapping[RejoinMethod, tuple[str, ...]]:
    """Return the reasons against each method."""
    if old_data is None:
        words = ("its data are of another database cluster",)
        return {"follow": words, "rewind": words, "base backup": ()}
    if broken := _against_both(old_data):
        return {"follow": broken, "rewind": broken, "base backup": ()}
    outside = ("it has tablespaces, which pgnb does not rewind",) if tablespaces else ()
    rewind = (*_against_rewind(old_data, oldest), *outside)
    return {"follow": _against_follow(old_data, oldest), "rewind": rewind, "base backup": ()}


def _against_both(old_data: OldPrimaryData) -> tuple[str, ...]:
    if old_data.control.rewind_interrupted:
        return ("an earlier pg_rewind was interrupted while it wrote",)
    if old_data.fork is not None and old_data.fork.lsn is None and not old_data.control.in_recovery:
        # Each promotion begins a timeline. So two primaries on one timeline were promoted independently.
        return ("it was a primary on the new primary's timeline, so the fork is unknown",)
    return ()


def _against_follow(old_data: OldPrimaryData, oldest: str) -> tuple[str, ...]:
    if old_data.diverged:
        words = old_data.divergence.summary if old_data.divergence else old_data.summary
        return (f"it is ahead of the fork by {words}",)
    assert old_data.end is not None
    return _recycled("its end", old_data.end, old_data, oldest)


def _against_rewind(old_data: OldPrimaryData, oldest: str) -> tuple[str, ...]:
    if old_data.fork is None:
        return ("it shares no timeline with the new primary",)
    found = []
    if not old_data.control.traceable:
        found.append("it has neither data checksums nor wal_log_hints")
    if not old_data.control.full_pages:
        found.append("full_page_writes was off")
    if old_data.common is None:
        found.append("its WAL does not go back to the last checkpoint before the fork any more")
        return tuple(found)
    return (*found, *_recycled("the last checkpoint before the fork", old_data.common, old_data, oldest))


def _recycled(what: str, lsn: int, old_data: OldPrimaryData, oldest: str) -> tuple[str, ...]:
    if segment_of(lsn, old_data.control.segment_size) >= oldest:
        return ()
    return (f"the new primary has removed the WAL since {what} ({lsn_text(lsn)})",)
