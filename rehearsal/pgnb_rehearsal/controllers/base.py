"""What all controllers share: watch the store, collect keys, reconcile them one by one, try again."""

from __future__ import annotations

import abc
import asyncio
import logging
from collections.abc import Iterable
from typing import ClassVar

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Event, Store
from pgnb_rehearsal.controllers.queue import Key, WorkQueue

logger = logging.getLogger(__name__)

_FIRST_RETRY = 0.005
_LAST_RETRY = 5.0


class Controller(abc.ABC):
    """A loop over the keys of one resource.

    A subclass names the `resource` that it reconciles and what else it `watches`, maps an event to the keys
    that it concerns, and reconciles one key in one synchronous step.
    """

    resource: ClassVar[str]
    watches: ClassVar[tuple[str, ...]] = ()

    def __init__(self, store: Store) -> None:
        self.store = store
        self.queue = WorkQueue()
        self._retries: dict[Key, float] = {}

    @abc.abstractmethod
    def reconcile(self, key: Key) -> float | None:
        """One step towards the desired state. Returns the seconds after which to look again, or None."""

    def related(self, plural: str, event: Event) -> Iterable[Key]:
        """Keys that an event of another resource concerns; by default its controlling owner."""
        owner = controlling_owner(event.object)
        if owner is not None and owner["kind"] == self.owner_kind:
            yield Key(event.object["metadata"].get("namespace", ""), owner["name"])

    @property
    def owner_kind(self) -> str:
        """The kind in the ownerReferences of what this controller makes."""
        return ""

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._collect(self.resource))
            for plural in self.watches:
                group.create_task(self._collect(plural))
            group.create_task(self._work())

    async def _collect(self, plural: str) -> None:
        subscription = self.store.subscribe(plural)
        try:
            async for event in subscription:
                for key in self.keys(plural, event):
                    self.queue.add(key)
        finally:
            subscription.close()

    def keys(self, plural: str, event: Event) -> Iterable[Key]:
        if plural == self.resource:
            return (key_of(event.object),)
        return tuple(self.related(plural, event))

    async def _work(self) -> None:
        try:
            while True:
                self._attempt(await self.queue.get())
                await asyncio.sleep(0)  # let other controllers and requests have their turn
        finally:
            self.queue.close()

    def _attempt(self, key: Key) -> None:
        try:
            again = self.reconcile(key)
        except Exception as error:
            self._retry_later(key, error)
            return
        self._retries.pop(key, None)
        if again is not None:
            self.queue.add_after(key, again)

    def _retry_later(self, key: Key, error: Exception) -> None:
        delay = self._retries.get(key, _FIRST_RETRY)
        self._retries[key] = min(delay * 2, _LAST_RETRY)
        if isinstance(error, StatusError):
            logger.info("%s %s/%s: %s; again in %.3f s", type(self).__name__, *key, error, delay)
        else:
            # A defect must not stop the cluster: it is logged with its trace, and the key is tried again.
            logger.error("%s %s/%s failed", type(self).__name__, *key, exc_info=error)
        self.queue.add_after(key, delay)


def key_of(obj: Object) -> Key:
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def controlling_owner(obj: Object) -> Object | None:
    """The ownerReference whose `controller` is true, or None."""
    for reference in obj["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            return dict(reference)
    return None


def is_controlled_by(obj: Object, owner: Object) -> bool:
    reference = controlling_owner(obj)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def owner_reference(owner: Object) -> Object:
    """The ownerReference that a controller writes into what it makes."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
