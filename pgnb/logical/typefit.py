"""Whether every value of the publisher's column type is also one of the subscriber's.

Replicated values travel as text (or binary, when the subscription asks for it, which wants equal types), so
a wider type takes them all, and another type may take some.
"""

from __future__ import annotations

import re

_NUMBERS = ("smallint", "integer", "bigint", "numeric")
_FLOATS = ("real", "double precision")
_LIMITED = re.compile(
    r"(?P<base>character varying|character|bit varying|bit|numeric)\((?P<size>\d+)(?:,(?P<scale>\d+))?\)\Z"
)
_TEXTS = ("character varying", "text")


def fits(publisher: str, subscriber: str) -> bool:
    """Whether `subscriber`, spelled as format_type does, takes every value of `publisher`."""
    if publisher == subscriber:
        return True
    for ladder in (_NUMBERS, _FLOATS):
        if publisher in ladder and subscriber in ladder:
            return ladder.index(publisher) < ladder.index(subscriber)
    return _wider(publisher, subscriber)


def _wider(publisher: str, subscriber: str) -> bool:
    one, other = _LIMITED.match(publisher), _LIMITED.match(subscriber)
    if one is None:
        return publisher in _TEXTS and subscriber in _TEXTS
    if other is None:
        unlimited = _TEXTS if one["base"] == "character varying" else (one["base"],)
        return subscriber in unlimited
    if one["base"] != other["base"] or one["base"] in ("character", "bit"):
        return False
    return (
        _room(other) >= _room(one) and _scale(other) >= _scale(one) and int(other["size"]) >= int(one["size"])
    )


def _scale(match: re.Match[str]) -> int:
    return int(match["scale"] or 0)


def _room(match: re.Match[str]) -> int:
    """The digits before the point, or the length."""
    return int(match["size"]) - _scale(match)
