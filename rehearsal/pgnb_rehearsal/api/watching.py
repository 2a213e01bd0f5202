"""What happened to objects, in order, and those who follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pgnb_rehearsal.api.objects import Object, copied
from pgnb_rehearsal.api.selectors import Predicate
from pgnb_rehearsal.api.status import StatusError, expired

HISTORY_LENGTH = 4000
"""Changes kept for watches that resume; an older resourceVersion is answered with 410."""

LONGEST_QUEUE = 10_000
"""Events that a follower may be behind; one that is slower is cut off, and has to list again, as in life."""


class Event(NamedTuple):
    """One change: ADDED, MODIFIED or DELETED; `old` is the object before it (None for ADDED)."""

    type: str
    object: Object
    old: Object | None


class Change(NamedTuple):
    """An event with what a history needs to find it: its resource and resourceVersion."""

    plural: str
    version: int
    event: Event


Filter = Callable[[Change], Event | None]


def everything_of(plurals: tuple[str, ...]) -> Filter:
    """All changes of some resources, each event a copy that its receiver may change."""

    def wanted(change: Change) -> Event | None:
        if change.plural not in plurals:
            return None
        kind, obj, old = change.event
        return Event(kind, copied(obj), copied(old))

    return wanted


def matching(plural: str, namespace: str | None, predicate: Predicate) -> Filter:
    """Changes of one resource as a selector sees them: an object that stops matching is DELETED (as it was,
    with the new resourceVersion), one that begins to match is ADDED. Objects are shared: not to be changed.
    """

    def wanted(change: Change) -> Event | None:
        if change.plural != plural or not _inside(change.event.object, namespace):
            return None
        return _seen_through(change.event, predicate)

    return wanted


def _inside(obj: Object, namespace: str | None) -> bool:
    return namespace is None or obj["metadata"].get("namespace") == namespace


def _seen_through(event: Event, predicate: Predicate) -> Event | None:
    matched = event.old is not None and predicate(event.old)
    matches = event.type != "DELETED" and predicate(event.object)
    if matches:
        return event if matched == (event.type == "MODIFIED") else Event("ADDED", event.object, event.old)
    if not matched or event.old is None:
        return None
    if event.type == "DELETED":
        return event
    metadata = {**event.old["metadata"], "resourceVersion": event.object["metadata"]["resourceVersion"]}
    return Event("DELETED", {**event.old, "metadata": metadata}, event.old)


class Subscription:
    """An endless async iterator of events, from the events it begins with until `close()`."""

    def __init__(
        self, wanted: Filter, beginning: Iterator[Event], leave: Callable[[Subscription], None]
    ) -> None:
        self._wanted = wanted
        self._pending: deque[Event] = deque(beginning)
        self._leave = leave
        self._closed = False
        self._arrived = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Called by the store for every change."""
        event = self._wanted(change)
        if event is None:
            return
        if len(self._pending) >= LONGEST_QUEUE:
            self.close()
        self._pending.append(event)
        self._arrived.set()

    def pending(self) -> Event | None:
        """The next event if there is one already."""
        return self._pending.popleft() if self._pending else None

    @property
    def closed(self) -> bool:
        """True when no event will come any more."""
        return self._closed

    def close(self) -> None:
        """Ends the iteration; whoever waits in it is released."""
        self._closed = True
        self._arrived.set()
        self._leave(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            event = self.pending()
            if event is not None:
                return event
            self._arrived.clear()
            await self._arrived.wait()
        raise StopAsyncIteration


def version_number(text: str) -> int:
    """A resourceVersion as a number; StatusError 500 for one that is none, as the real server answers."""
    if not text.isdecimal():
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise StatusError(500, "", f'resourceVersion: Invalid value: "{text}": {why}')
    return int(text)


class History:
    """The latest changes and the followers of new ones."""

    def __init__(self, length: int = HISTORY_LENGTH) -> None:
        self._changes: deque[Change] = deque(maxlen=length)
        self._followers: list[Subscription] = []
        self._forgotten = 0

    def record(self, change: Change) -> None:
        """Appends a change and hands it to every follower."""
        if len(self._changes) == self._changes.maxlen:
            self._forgotten = self._changes[0].version
        self._changes.append(change)
        for follower in tuple(self._followers):
            follower.offer(change)

    def since(self, version: int, wanted: Filter) -> Iterator[Event]:
        """Events after a resourceVersion; StatusError 410 when some of them are forgotten."""
        if version < self._forgotten:
            raise expired(f"too old resource version: {version} ({self._forgotten})")
        events = (wanted(change) for change in self._changes if change.version > version)
        return (event for event in events if event is not None)

    def follow(self, wanted: Filter, beginning: Iterator[Event]) -> Subscription:
        """A subscription to what comes, after the events it begins with."""
        subscription = Subscription(wanted, beginning, self._leave)
        self._followers.append(subscription)
        return subscription

    def _leave(self, subscription: Subscription) -> None:
        if subscription in self._followers:
            self._followers.remove(subscription)
