"""Plain JSON objects: copying, reading by path, and the time format of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

Object = dict[str, Any]


class Reader(Protocol):
    """What admission reads of the objects that are there."""

    def find(self, plural: str, namespace: str | None, name: str) -> Object | None:
        """Return a copy of the object, or None."""
        ...

    def select(self, plural: str, namespace: str | None = None) -> Iterator[Object]:
        """Yield the objects of a kind, of one namespace where it is named."""
        ...


def copied(value: Any) -> Any:
    """A deep copy of a JSON value (several times faster than copy.deepcopy, which guards against cycles)."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def lookup(value: Any, *keys: str) -> Any:
    """The value below `keys`, or None as soon as one is missing."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC with seconds, as metav1.Time is written."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
