"""Server-side apply: a manager states the fields it wants; conflicts with other managers are refused.

Kubernetes, "Server-Side Apply"; structured-merge-diff's merge.Updater.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pgnb_rehearsal.api import ownership
from pgnb_rehearsal.api.fields import CONTAINER, Members, Path, element_of, key_of, members, spelled
from pgnb_rehearsal.api.objects import Object, copied, timestamp
from pgnb_rehearsal.api.ownership import Entry
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.schema import ANY, Schema, schema_of
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.strategic import ordered_like


def applied(
    resource: Resource, live: Object | None, config: Object, manager: str, *, force: bool, subresource: str
) -> Object:
    """The object after `manager` applied `config` to `live` (None: there is none yet), with its owners.

    Raises StatusError 409 with one cause for each field that another manager owns, unless `force`.
    """
    schema = schema_of(resource)
    config = {**config, "metadata": {k: v for k, v in config["metadata"].items() if k != "managedFields"}}
    desired = ownership.writable(resource, members(schema, config, applied=True), subresource)
    base: Object = live if live is not None else {"metadata": {}}
    owners = {owner.identity: owner for owner in ownership.entries(base)}
    mine = Entry(manager, "Apply", subresource, resource.api_version, timestamp(), frozenset(desired))
    former = owners.pop(mine.identity, None)
    taken = _taken(schema, base, desired, owners.values(), force)
    merged: Object = _merged(schema, base, config)
    if former is not None:
        _drop(schema, merged, former.fields - desired.keys(), desired.keys(), owners.values())
    unchanged = former is not None and former.fields == mine.fields and _same_content(base, merged)
    kept = [owner.without(taken) for owner in owners.values()]
    ownership.write_entries(
        merged, [*kept, replace(mine, time=former.time) if unchanged and former else mine]
    )
    return merged


def _same_content(base: Object, merged: Object) -> bool:
    def content(obj: Object) -> Object:
        metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        return {**obj, "metadata": metadata}

    return content(base) == content(merged)


def _taken(schema: Schema, live: Object, desired: Members, others: Iterable[Entry], force: bool) -> set[Path]:
    """The fields whose value changes although another manager owns them."""
    current = members(schema, live, applied=False)
    changed = {path for path, value in desired.items() if _changes(current, path, value)}
    conflicts = [(owner, sorted(owner.fields & changed)) for owner in others if owner.fields & changed]
    if conflicts and not force:
        raise _conflict(conflicts)
    return changed


def _changes(current: Members, path: Path, value: Any) -> bool:
    if path not in current:
        return True
    return value is not CONTAINER and current[path] is not CONTAINER and bool(current[path] != value)


def _conflict(conflicts: list[tuple[Entry, list[Path]]]) -> StatusError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_named(owner)}",
            "field": spelled(path),
        }
        for owner, paths in conflicts
        for path in paths
    ]
    if len(causes) == 1:
        text = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        parts = [
            "\n".join([f"conflicts with {_named(owner)}:", *(f"- {spelled(path)}" for path in paths)])
            for owner, paths in sorted(conflicts, key=lambda conflict: _named(conflict[0]))
        ]
        text = f"{len(causes)} conflicts: " + "\n".join(parts)
    return StatusError(409, "Conflict", f"Apply failed with {text}", {"causes": causes})


def _named(owner: Entry) -> str:
    name = f'"{owner.manager}"'
    if owner.subresource:
        name += f' with subresource "{owner.subresource}"'
    if owner.operation == "Update":
        name += f" using {owner.api_version} at {owner.time}"
    return name


def _merged(schema: Schema, live: Any, config: Any) -> Any:
    """The live value with the applied one merged into it, as the type says."""
    if isinstance(config, dict) and isinstance(live, dict) and schema.topology == "granular":
        result = {key: copied(value) for key, value in live.items() if key not in config}
        for key, value in config.items():
            field = (schema.element if schema.shape == "map" else schema.fields.get(key)) or ANY
            result[key] = _merged(field, live[key], value) if key in live else copied(value)
        return result
    if isinstance(config, list) and isinstance(live, list) and schema.topology in ("map", "set"):
        return _merged_list(schema, live, config)
    return copied(config)


def _merged_list(schema: Schema, live: list[Any], config: list[Any]) -> list[Any]:
    found = {element_of(schema, item): copied(item) for item in live}
    for item in config:
        name = element_of(schema, item)
        element = schema.element or ANY
        found[name] = _merged(element, found[name], item) if name in found else copied(item)
    return ordered_like(list(found.values()), config, lambda item: element_of(schema, item))


def _drop(
    schema: Schema,
    obj: Object,
    dropped: Iterable[Path],
    desired: Iterable[Path],
    others: Iterable[Entry],
) -> None:
    """Removes the fields that the manager no longer names, where nobody else owns them or what is below."""
    held = {path for owner in others for path in owner.fields} | set(desired)
    held |= {path[:depth] for path in held for depth in range(1, len(path))}
    for path in sorted(dropped, key=len):
        if path not in held:
            _remove(schema, obj, path)


def _remove(schema: Schema, value: Any, path: Path) -> None:
    for element in path[:-1]:
        schema, value = _below(schema, value, element)
        if value is None:
            return
    last = path[-1]
    if last.startswith("f:"):
        value.pop(last[2:], None)
    else:
        value[:] = [item for item in value if element_of(schema, item) != last]


def _below(schema: Schema, value: Any, element: str) -> tuple[Schema, Any]:
    kind, _, text = element.partition(":")
    if kind == "f":
        field = (schema.element if schema.shape == "map" else schema.fields.get(text)) or ANY
        return field, value.get(text) if isinstance(value, dict) else None
    keys = json.loads(text)
    items = value if isinstance(value, list) else []
    found = next((i for i in items if all(key_of(i, k) == v for k, v in keys.items())), None)
    return schema.element or ANY, found
