"""The garbage collector: dependents go with their owner, in the way that the deletion asked for.

Background: once the owner is gone. Foreground: before the owner, which waits for those that block it.
Orphan: the dependents stay and forget their owner. An object whose owners are all absent is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pgnb_rehearsal.api.deletion import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import RESOURCES, by_kind
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Event, Store
from pgnb_rehearsal.controllers.base import Controller
from pgnb_rehearsal.controllers.queue import Key

_COLLECTED = tuple(resource.plural for resource in RESOURCES if resource.plural not in ("events", "leases"))


class _Place(NamedTuple):
    plural: str
    namespace: str
    name: str


class GarbageCollector(Controller):
    """Reconciles uids: the key's name is an object's uid, its namespace is not used."""

    resource = ""
    watches = _COLLECTED

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._places: dict[str, _Place] = {}
        self._dependents: dict[str, set[str]] = {}

    async def _collect(self, plural: str) -> None:
        if plural:
            await super()._collect(plural)

    def keys(self, plural: str, event: Event) -> Iterable[Key]:
        metadata = event.object["metadata"]
        uid = metadata["uid"]
        owners = [reference["uid"] for reference in metadata.get("ownerReferences") or ()]
        if event.type == "DELETED":
            self._places.pop(uid, None)
            for owner in owners:
                self._dependents.get(owner, set()).discard(uid)
            # An owner in the foreground waits for this one.
            return [Key("", dependent) for dependent in self._dependents.get(uid, ())] + [
                Key("", o) for o in owners
            ]
        self._places[uid] = _Place(plural, metadata.get("namespace", ""), metadata["name"])
        for owner in owners:
            self._dependents.setdefault(owner, set()).add(uid)
        return (Key("", uid),) if owners or "deletionTimestamp" in metadata else ()

    def reconcile(self, key: Key) -> float | None:
        obj = self._find(key.name)
        if obj is None:
            return None
        finalizers = obj["metadata"].get("finalizers") or ()
        if "deletionTimestamp" in obj["metadata"]:
            if ORPHAN_FINALIZER in finalizers:
                self._orphan(key.name, obj)
            elif FOREGROUND_FINALIZER in finalizers:
                self._delete_dependents_first(key.name, obj)
        elif obj["metadata"].get("ownerReferences"):
            self._check_owners(key.name, obj)
        return None

    def _find(self, uid: str) -> Object | None:
        place = self._places.get(uid)
        obj = self.store.find(*place) if place else None
        return obj if obj is not None and obj["metadata"]["uid"] == uid else None

    def _dependents_of(self, uid: str) -> list[tuple[str, Object]]:
        """(uid, object) of what names `uid` among its owners."""
        found = ((dependent, self._find(dependent)) for dependent in sorted(self._dependents.get(uid, ())))
        alive = [(dependent, obj) for dependent, obj in found if obj is not None]
        return [(dependent, obj) for dependent, obj in alive if _reference(obj, uid) is not None]

    def _check_owners(self, uid: str, obj: Object) -> None:
        """Deletes an object none of whose owners is there; forgets those that are not."""
        references = obj["metadata"]["ownerReferences"]
        absent = [reference for reference in references if not self._exists(reference, obj)]
        if len(absent) == len(references):
            self._delete(uid, obj)
        elif absent:
            for reference in absent:
                self._forget(uid, reference["uid"])

    def _exists(self, reference: Object, obj: Object) -> bool:
        resource = by_kind(reference["apiVersion"], reference["kind"])
        if resource is None:
            return True  # a kind that this cluster does not know cannot be judged
        namespace = obj["metadata"].get("namespace") if resource.namespaced else None
        owner = self.store.find(resource.plural, namespace, reference["name"])
        return owner is not None and owner["metadata"]["uid"] == reference["uid"]

    def _delete(self, uid: str, obj: Object, propagation: str = "Background") -> None:
        plural, namespace, name = self._places[uid]
        # As the real collector does: a finalizer that is there already decides how it goes.
        if FOREGROUND_FINALIZER in (obj["metadata"].get("finalizers") or ()):
            propagation = "Foreground"
        try:
            self.store.delete(plural, namespace, name, propagation=propagation, uid=uid)
        except StatusError as refused:
            if refused.code != 404:
                raise

    def _orphan(self, uid: str, obj: Object) -> None:
        for dependent, _ in self._dependents_of(uid):
            self._forget(dependent, uid)
        self._finish(uid, ORPHAN_FINALIZER)

    def _delete_dependents_first(self, uid: str, obj: Object) -> None:
        dependents = self._dependents_of(uid)
        for dependent, child in dependents:
            if "deletionTimestamp" not in child["metadata"]:
                self._delete(
                    dependent, child, "Foreground" if _has_own(child, self._dependents) else "Background"
                )
        blocking = [child for _, child in self._dependents_of(uid) if _blocks(child, uid)]
        if not blocking:
            self._finish(uid, FOREGROUND_FINALIZER)

    def _forget(self, uid: str, owner: str) -> None:
        def change(obj: Object) -> None:
            rest = [entry for entry in obj["metadata"].get("ownerReferences") or () if entry["uid"] != owner]
            obj["metadata"]["ownerReferences"] = rest
            if not rest:
                del obj["metadata"]["ownerReferences"]

        self.store.modify(*self._places[uid], change)
        self._dependents.get(owner, set()).discard(uid)

    def _finish(self, uid: str, finalizer: str) -> None:
        def change(obj: Object) -> None:
            rest = [entry for entry in obj["metadata"].get("finalizers") or () if entry != finalizer]
            obj["metadata"]["finalizers"] = rest
            if not rest:
                del obj["metadata"]["finalizers"]

        self.store.modify(*self._places[uid], change)


def _reference(obj: Object, owner: str) -> Object | None:
    for entry in obj["metadata"].get("ownerReferences") or ():
        if entry["uid"] == owner:
            return dict(entry)
    return None


def _blocks(obj: Object, owner: str) -> bool:
    reference = _reference(obj, owner)
    return reference is not None and bool(reference.get("blockOwnerDeletion"))


def _has_own(obj: Object, dependents: dict[str, set[str]]) -> bool:
    return bool(dependents.get(obj["metadata"]["uid"]))
