"""Merge an update into an object: what the server alone decides, and what an update may not change."""

from __future__ import annotations

from pgnb_rehearsal.api import ownership
from pgnb_rehearsal.api.objects import Object, copied
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import conflict

_SYSTEM_METADATA = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)

_UNSPECIFIED = ("kind", "apiVersion", "metadata", "status")


def ordered(obj: Object) -> Object:
    """Kind, apiVersion and metadata first, and the server's own metadata before the rest."""
    metadata = obj["metadata"]
    first = {key: metadata[key] for key in _SYSTEM_METADATA if key in metadata}
    managed = {key: metadata[key] for key in ("managedFields",) if key in metadata}
    rest = {key: value for key, value in metadata.items() if key not in first and key not in managed}
    head = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": first | rest | managed}
    return head | {key: value for key, value in obj.items() if key not in head}


def check_version(resource: Resource, obj: Object, old: Object) -> None:
    """StatusError 409 when `obj` names another uid or an older resourceVersion than the stored one."""
    name, given, current = obj["metadata"]["name"], obj["metadata"], old["metadata"]
    if given.get("uid") and given["uid"] != current["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {current['uid']}"
        )
        raise conflict(resource, name, why)
    if given.get("resourceVersion") and given["resourceVersion"] != current["resourceVersion"]:
        raise conflict(resource, name)


def merge_update(resource: Resource, old: Object, obj: Object, subresource: str) -> Object:
    """The object that an update asks for, with what an update may not touch taken from the old one."""
    if subresource == "status":
        return _with_status(resource, old, obj)
    if subresource == "binding":
        bound: Object = copied(old)
        return bound | {"spec": copied(obj["spec"]), "status": copied(obj.get("status") or {})}
    new: Object = {"kind": resource.kind, "apiVersion": resource.api_version} | copied(obj)
    kept = {key: old["metadata"][key] for key in _SYSTEM_METADATA if key in old["metadata"]}
    given = {key: value for key, value in new["metadata"].items() if key not in _SYSTEM_METADATA}
    new["metadata"] = kept | given
    if "status" in resource.subresources:
        new.pop("status", None)
        if "status" in old:
            new["status"] = copied(old["status"])
    if resource.generation and _specified(old) != _specified(new):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return new


def _with_status(resource: Resource, old: Object, obj: Object) -> Object:
    """The old object with the new status; the registries of group apps take annotations with it."""
    new: Object = copied(old)
    new["status"] = copied(obj.get("status") or {})
    annotations = obj["metadata"].get("annotations")
    if resource.group == "apps" and annotations:
        new["metadata"]["annotations"] = copied(annotations)
    return new


def _specified(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in _UNSPECIFIED}


def same(old: Object, new: Object) -> bool:
    """Equal but for the times in managedFields, which alone are no change."""
    return _unowned(old) == _unowned(new) and ownership.same(old, new)


def _unowned(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}
