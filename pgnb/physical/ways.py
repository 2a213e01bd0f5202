"""Which way back a former primary's data allow, and why not a gentler one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pgnb.core.errors import ParameterError
from pgnb.physical.former import Former
from pgnb.physical.timelines import segment_of
from pgnb.postgres.progress import lsn_text

Way = Literal["follow", "rewind", "base backup"]
"""By primary_conninfo alone; by pg_rewind; by a new base backup. In this order the gentlest is taken."""
WAYS: tuple[Way, ...] = ("follow", "rewind", "base backup")


def choose(
    former: Former | None, oldest: str, *, tablespaces: bool = False, wished: str = "auto"
) -> tuple[Way, str]:
    """The gentlest way, or the wished one, and why no gentler one, in words.

    `former` None: there are no data of this database cluster. `oldest` is the name, without the timeline, of
    the oldest WAL segment on the new primary. Raises ParameterError for a way that cannot be gone.
    """
    against = obstacles(former, oldest, tablespaces=tablespaces)
    if wished not in ("auto", *WAYS):
        raise ParameterError(f"no way to rejoin: {wished!r}", remedy=f"One of auto, {', '.join(WAYS)}.")
    way = next(way for way in WAYS if wished in (way, "auto") and (wished != "auto" or not against[way]))
    if against[way]:
        raise ParameterError(
            f"the way {way!r} cannot be gone",
            found="; ".join(against[way]),
            remedy="Leave the way to pgnb (auto), which takes the gentlest one that the data allow.",
        )
    passed = [
        f"not by {other}: {'; '.join(against[other])}" for other in WAYS[: WAYS.index(way)] if against[other]
    ]
    return way, ". ".join(passed)


def obstacles(
    former: Former | None, oldest: str, *, tablespaces: bool = False
) -> Mapping[Way, tuple[str, ...]]:
    """What stands against each way."""
    if former is None:
        words = ("its data are not of this database cluster",)
        return {"follow": words, "rewind": words, "base backup": ()}
    if broken := _against_both(former):
        return {"follow": broken, "rewind": broken, "base backup": ()}
    outside = ("it has tablespaces, which pgnb does not rewind",) if tablespaces else ()
    rewind = (*_against_rewind(former, oldest), *outside)
    return {"follow": _against_follow(former, oldest), "rewind": rewind, "base backup": ()}


def _against_both(former: Former) -> tuple[str, ...]:
    if former.control.torn:
        return ("an earlier pg_rewind was interrupted while it wrote",)
    if former.fork is not None and former.fork.lsn is None and not former.control.in_recovery:
        # A promotion begins a timeline, so two primaries on one were promoted apart from each other.
        return ("it was a primary on the new primary's own timeline, whose history can't tell them apart",)
    return ()


def _against_follow(former: Former, oldest: str) -> tuple[str, ...]:
    if former.apart:
        words = former.divergence.summary if former.divergence else former.summary
        return (f"it is ahead of the fork by {words}",)
    assert former.end is not None
    return _recycled("its end", former.end, former, oldest)


def _against_rewind(former: Former, oldest: str) -> tuple[str, ...]:
    if former.fork is None:
        return ("it shares no timeline with the new primary",)
    found = []
    if not former.control.traceable:
        found.append("it has neither data checksums nor wal_log_hints")
    if not former.control.full_pages:
        found.append("full_page_writes was off")
    if former.common is None:
        found.append("its WAL does not go back to the last checkpoint before the fork any more")
        return tuple(found)
    return (*found, *_recycled("the last checkpoint before the fork", former.common, former, oldest))


def _recycled(what: str, lsn: int, former: Former, oldest: str) -> tuple[str, ...]:
    if segment_of(lsn, former.control.segment_size) >= oldest:
        return ()
    return (f"the new primary has removed the WAL since {what} ({lsn_text(lsn)})",)
