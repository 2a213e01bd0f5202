"""All objects of the cluster, in memory: one asyncio thread, no locks, everything synchronous but watching.

Optimistic concurrency by resourceVersion, one counter for the whole store as in etcd. Whatever goes in is
defaulted and validated; whatever comes out is a copy. Objects inside are never changed in place, so that
the history and the watches can share them.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pgnb_rehearsal.api import admission, deletion, ownership
from pgnb_rehearsal.api.defaults import set_defaults
from pgnb_rehearsal.api.objects import Object, copied, timestamp
from pgnb_rehearsal.api.resources import BY_PLURAL, Resource
from pgnb_rehearsal.api.selectors import Predicate, field_selector, label_selector
from pgnb_rehearsal.api.status import already_exists, not_found
from pgnb_rehearsal.api.update_strategy import check_version, merge_update, ordered, same
from pgnb_rehearsal.api.watching import (
    HISTORY_LENGTH,
    Change,
    Event,
    Filter,
    History,
    Subscription,
    everything_of,
    matching,
)

__all__ = ["Event", "Object", "Store", "Subscription"]

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def generated_suffix() -> str:
    """Five letters and digits, of those that Kubernetes generates names from."""
    return "".join(random.choices(_SUFFIX_LETTERS, k=5))


class Store:
    """The objects. Plurals are the keys of `resources.BY_PLURAL`; `namespace` is None for cluster scope."""

    def __init__(self, *, history_length: int = HISTORY_LENGTH) -> None:
        self._objects: dict[str, dict[tuple[str, str], Object]] = {plural: {} for plural in BY_PLURAL}
        self._version = 0
        self._history = History(history_length)

    @property
    def resource_version(self) -> str:
        """The version of the latest change."""
        return str(self._version)

    # -- reading -------------------------------------------------------------------------------------------

    def get(self, plural: str, namespace: str | None, name: str) -> Object:
        """A copy of the object; StatusError 404."""
        return _copy(self.peek(plural, namespace, name))

    def find(self, plural: str, namespace: str | None, name: str) -> Object | None:
        """A copy of the object, or None."""
        found = self._objects[plural].get((namespace or "", name))
        return None if found is None else _copy(found)

    def list(
        self,
        plural: str,
        namespace: str | None = None,
        *,
        labels: str | Mapping[str, Any] = "",
        fields: str = "",
    ) -> list[Object]:
        """Copies of the objects of a namespace (None: of all), by namespace and name."""
        return [_copy(obj) for obj in self.select(plural, namespace, labels=labels, fields=fields)]

    def peek(self, plural: str, namespace: str | None, name: str) -> Object:
        """The object itself, not to be changed: for whoever only reads or encodes it; StatusError 404."""
        found = self._objects[plural].get((namespace or "", name))
        if found is None:
            raise not_found(BY_PLURAL[plural], name)
        return found

    def select(
        self,
        plural: str,
        namespace: str | None = None,
        *,
        labels: str | Mapping[str, Any] = "",
        fields: str = "",
    ) -> Iterator[Object]:
        """As `list`, but the objects themselves, not to be changed."""
        matches = self._predicate(plural, labels, fields)
        objects = self._objects[plural]
        keys = sorted(key for key in objects if namespace is None or key[0] == namespace)
        return (objects[key] for key in keys if matches(objects[key]))

    # -- writing -------------------------------------------------------------------------------------------

    def create(self, plural: str, obj: Object, *, manager: str = "", dry_run: bool = False) -> Object:
        """Stores a new object, defaulted and validated, with uid, resourceVersion, creationTimestamp,
        generation and, from generateName, a name. `manager` owns its fields from then on (empty: nobody).
        StatusError 404 (no such namespace), 403 (it is going away), 409, 422."""
        resource = BY_PLURAL[plural]
        new = self._new_object(resource, obj)
        set_defaults(resource, new)
        ownership.after_create(resource, new, manager)
        return self._add(resource, new, dry_run)

    def create_owned(self, plural: str, obj: Object, *, dry_run: bool = False) -> Object:
        """As `create`, for an object whose managedFields the caller has computed (server-side apply)."""
        resource = BY_PLURAL[plural]
        new = self._new_object(resource, obj)
        set_defaults(resource, new)
        return self._add(resource, new, dry_run)

    def _add(self, resource: Resource, new: Object, dry_run: bool) -> Object:
        admission.on_create(self, resource, new)
        if self._key(new) in self._objects[resource.plural]:
            raise already_exists(resource, new["metadata"]["name"])
        return self._put("ADDED", resource, new, None, dry_run)

    def update(
        self, plural: str, obj: Object, *, subresource: str = "", manager: str = "", dry_run: bool = False
    ) -> Object:
        """Replaces an object; with subresource "status" only its status. A resourceVersion, when present,
        must be the current one. Nothing changed: same resourceVersion, no event. An object that waits only
        for its finalizers is gone when the last one is taken away. StatusError 404, 409, 422."""
        resource, old, new = self._succeeding(plural, obj, subresource)
        ownership.after_update(resource, old, new, manager, subresource)
        admission.on_update(self, resource, old, new, subresource)
        return self._replace(resource, old, new, dry_run)

    def update_owned(
        self, plural: str, obj: Object, *, subresource: str = "", dry_run: bool = False
    ) -> Object:
        """As `update`, for an object whose managedFields the caller has computed (server-side apply)."""
        resource, old, new = self._succeeding(plural, obj, subresource)
        owners = obj["metadata"].get("managedFields")
        new["metadata"].pop("managedFields", None)
        if owners:
            new["metadata"]["managedFields"] = owners
        admission.on_update(self, resource, old, new, subresource)
        return self._replace(resource, old, new, dry_run)

    def _succeeding(self, plural: str, obj: Object, subresource: str) -> tuple[Resource, Object, Object]:
        resource = BY_PLURAL[plural]
        old = self.peek(plural, obj["metadata"].get("namespace"), obj["metadata"]["name"])
        check_version(resource, obj, old)
        given = _copy(obj)
        set_defaults(resource, given)
        return resource, old, merge_update(resource, old, given, subresource)

    def modify(
        self,
        plural: str,
        namespace: str | None,
        name: str,
        change: Callable[[Object], None],
        *,
        subresource: str = "",
        manager: str = "",
    ) -> Object:
        """Reads the object, lets `change` alter it, and updates it, in one step; StatusError 404, 422."""
        obj = self.get(plural, namespace, name)
        change(obj)
        return self.update(plural, obj, subresource=subresource, manager=manager)

    def delete(
        self,
        plural: str,
        namespace: str | None,
        name: str,
        *,
        grace: int | None = None,
        propagation: str = "",
        uid: str = "",
        resource_version: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Deletes an object or begins to: a pod on a node gets a deletionTimestamp and its grace (seconds),
        and the kubelet ends it with `remove`; finalizers, also those of `propagation`, are waited for.
        Returns the object as it was left; StatusError 404, 409 (preconditions)."""
        resource = BY_PLURAL[plural]
        old = self.peek(plural, namespace, name)
        deletion.check_preconditions(resource, old, uid, resource_version)
        new = deletion.marked(resource, old, grace, propagation)
        return self._replace(resource, old, new, dry_run, gone=not deletion.lingers(new))

    def remove(self, plural: str, namespace: str | None, name: str, *, uid: str = "") -> None:
        """The last step of a deletion: gone, with a DELETED event. Finalizers are still waited for. Nothing
        happens when the object is gone already, or is another one than `uid`."""
        old = self._objects[plural].get((namespace or "", name))
        if old is None or (uid and old["metadata"]["uid"] != uid):
            return
        new = copied(old)
        if "deletionTimestamp" in new["metadata"]:
            new["metadata"]["deletionGracePeriodSeconds"] = 0
        waits = plural != "namespaces" and deletion.lingers(new)
        self._replace(BY_PLURAL[plural], old, new, False, gone=not waits)

    # -- following -----------------------------------------------------------------------------------------

    def subscribe(self, *plurals: str) -> Subscription:
        """Events of some resources, beginning with ADDED for what exists; for controllers and kubelet."""
        there = (obj for plural in plurals for obj in self.select(plural))
        beginning = (Event("ADDED", _copy(obj), None) for obj in there)
        return self._history.follow(everything_of(plurals), beginning)

    def watch(
        self,
        plural: str,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        since: int | None = None,
    ) -> Subscription:
        """Events as a selector sees them, after resourceVersion `since` (StatusError 410 when forgotten), or
        beginning with ADDED for what exists (None). The objects are shared: not to be changed."""
        wanted = matching(plural, namespace, self._predicate(plural, labels, fields))
        return self._history.follow(wanted, self._beginning(plural, namespace, labels, fields, since, wanted))

    def _beginning(
        self,
        plural: str,
        namespace: str | None,
        labels: str,
        fields: str,
        since: int | None,
        wanted: Filter,
    ) -> Iterator[Event]:
        if since is not None:
            return self._history.since(since, wanted)
        there = self.select(plural, namespace, labels=labels, fields=fields)
        return (Event("ADDED", obj, None) for obj in there)

    # -- within --------------------------------------------------------------------------------------------

    @staticmethod
    def _predicate(plural: str, labels: str | Mapping[str, Any], fields: str) -> Predicate:
        by_label = label_selector(labels)
        by_field = field_selector(BY_PLURAL[plural], fields)
        return lambda obj: by_label(obj["metadata"].get("labels") or {}) and by_field(obj)

    @staticmethod
    def _key(obj: Object) -> tuple[str, str]:
        return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]

    def _new_object(self, resource: Resource, obj: Object) -> Object:
        """A copy with what the server alone decides about a new object."""
        new: Object = copied(obj)
        metadata = new.setdefault("metadata", {})
        for given in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(given, None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = self._generated_name(resource, metadata)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = timestamp()
        metadata.pop("generation", None)
        if resource.generation:
            metadata["generation"] = 1
        return {"kind": resource.kind, "apiVersion": resource.api_version} | new

    def _generated_name(self, resource: Resource, metadata: Object) -> str:
        namespace = metadata.get("namespace") or ""
        while (namespace, name := metadata["generateName"] + generated_suffix()) in self._objects[
            resource.plural
        ]:
            continue
        return str(name)

    def _replace(
        self, resource: Resource, old: Object, new: Object, dry_run: bool, *, gone: bool = False
    ) -> Object:
        freed = "deletionTimestamp" in new["metadata"] and not deletion.lingers(new)
        if gone or (freed and "deletionTimestamp" in old["metadata"]):
            return self._put("DELETED", resource, new, old, dry_run)
        if same(old, new):
            return _copy(old)
        return self._put("MODIFIED", resource, new, old, dry_run)

    def _put(self, kind: str, resource: Resource, new: Object, old: Object | None, dry_run: bool) -> Object:
        if dry_run:
            return ordered(new)
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        new = ordered(new)
        objects = self._objects[resource.plural]
        if kind == "DELETED":
            del objects[self._key(new)]
        else:
            objects[self._key(new)] = new
        self._history.record(Change(resource.plural, self._version, Event(kind, new, old)))
        return _copy(new)


def _copy(obj: Object) -> Object:
    result: Object = copied(obj)
    return result
