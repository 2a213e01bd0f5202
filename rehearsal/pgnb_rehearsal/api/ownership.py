"""Who owns which field: `metadata.managedFields` after creates and updates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pgnb_rehearsal.api.fields import CONTAINER, Members, Path, from_fields_v1, members, to_fields_v1
from pgnb_rehearsal.api.objects import Object, timestamp
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.schema import schema_of


@dataclass(frozen=True)
class Entry:
    """One manager's fields; a manager has one entry for each operation (Apply, Update) and subresource."""

    manager: str
    operation: str
    subresource: str
    api_version: str
    time: str
    fields: frozenset[Path]

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.manager, self.operation, self.subresource

    def without(self, fields: Iterable[Path]) -> Entry:
        """The entry after it lost some fields; the time stays."""
        return replace(self, fields=self.fields.difference(fields))


def entries(obj: Object) -> list[Entry]:
    """The owners that an object records."""
    return [_read(entry) for entry in obj["metadata"].get("managedFields") or ()]


def write_entries(obj: Object, owners: Iterable[Entry]) -> None:
    """Records the owners that own something, in the order of the real server."""
    kept = sorted(
        (owner for owner in owners if owner.fields),
        key=lambda owner: (owner.operation, owner.time, owner.manager, owner.api_version, owner.subresource),
    )
    obj["metadata"].pop("managedFields", None)
    if kept:
        obj["metadata"]["managedFields"] = [_written(owner) for owner in kept]


def after_create(resource: Resource, new: Object, manager: str) -> None:
    """The new object's fields belong to `manager` (empty: to nobody)."""
    new["metadata"].pop("managedFields", None)
    if manager:
        owner = Entry(manager, "Update", "", resource.api_version, timestamp(), frozenset())
        set_fields = writable(resource, members(schema_of(resource), new, applied=False), "")
        write_entries(new, [replace(owner, fields=frozenset(set_fields))])


def after_update(resource: Resource, old: Object, new: Object, manager: str, subresource: str) -> None:
    """What changed belongs to `manager` from now on; nobody owns what is gone. An empty manager changes
    no owners."""
    if not manager:
        new["metadata"].pop("managedFields", None)
        if "managedFields" in old["metadata"]:
            new["metadata"]["managedFields"] = old["metadata"]["managedFields"]
        return
    schema = schema_of(resource)
    before = writable(resource, members(schema, old, applied=False), subresource)
    after = writable(resource, members(schema, new, applied=False), subresource)
    changed = {path for path in after if path not in before or differs(before[path], after[path])}
    gone = before.keys() - after.keys()
    owners = {owner.identity: owner.without(gone | changed) for owner in entries(old)}
    if changed:
        mine = Entry(manager, "Update", subresource, resource.api_version, timestamp(), frozenset())
        had = owners.get(mine.identity, mine).fields
        owners[mine.identity] = replace(mine, fields=had | changed)
    write_entries(new, owners.values())


def differs(before: Any, after: Any) -> bool:
    """True when a leaf changed its value, or became a container or the other way round."""
    if before is CONTAINER or after is CONTAINER:
        return before is not after
    return bool(before != after)


def writable(resource: Resource, found: Members, subresource: str) -> Members:
    """The fields that a write through this subresource can change."""
    if "status" not in resource.subresources:
        return found
    wanted = subresource == "status"
    return {path: value for path, value in found.items() if (path[0] == "f:status") is wanted}


def same(old: Object, new: Object) -> bool:
    """True when both have the same owners of the same fields; the times do not count."""
    return _timeless(old) == _timeless(new)


def _timeless(obj: Object) -> list[dict[str, Any]]:
    listed = obj["metadata"].get("managedFields") or []
    return [{key: value for key, value in entry.items() if key != "time"} for entry in listed]


def _read(entry: dict[str, Any]) -> Entry:
    return Entry(
        entry.get("manager", ""),
        entry.get("operation", "Update"),
        entry.get("subresource", ""),
        entry.get("apiVersion", ""),
        entry.get("time", ""),
        frozenset(from_fields_v1(entry.get("fieldsV1") or {})),
    )


def _written(owner: Entry) -> dict[str, Any]:
    entry: dict[str, Any] = {"manager": owner.manager, "operation": owner.operation}
    entry |= {"apiVersion": owner.api_version, "time": owner.time, "fieldsType": "FieldsV1"}
    entry["fieldsV1"] = to_fields_v1(owner.fields)
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return entry
