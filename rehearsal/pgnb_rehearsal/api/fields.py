"""Sets of fields, as `managedFields` records them (FieldsV1), and the paths in them.

A path is a tuple of FieldsV1 elements: `f:name` a field or key, `k:{"name":"x"}` an entry of a list by its
keys, `v:"x"` an entry of a set. Kubernetes, "Server-Side Apply"; structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.schema import ANY, Schema

Path = tuple[str, ...]
Members = dict[Path, Any]

CONTAINER = object()
"""The value of a member that is not a leaf: the list, map or entry itself."""

_DEFAULT_KEYS = {"protocol": "TCP"}
_UNOWNED = frozenset(
    ("f:metadata", f"f:{key}")
    for key in (
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    )
)
_ALWAYS_THERE = frozenset(
    ("metadata", "spec", "status", "template", "strategy", "updateStrategy", "containers")
)
"""Fields that Go writes even when they are empty, so that setting what is below them does not add them."""


def members(schema: Schema, obj: Object, *, applied: bool) -> Members:
    """The fields that an object sets, each with its value (CONTAINER when it is no leaf).

    `applied`: as an apply owns them, only what is named; otherwise as an update owns them, with the lists,
    maps and structs that came with them.
    """
    found: Members = {}
    for key, value in obj.items():
        if key not in ("kind", "apiVersion"):
            _walk(_field(schema, key), value, (f"f:{key}",), found, applied)
    return {path: value for path, value in found.items() if path[:2] not in _UNOWNED}


def _field(schema: Schema, key: str) -> Schema:
    if schema.shape == "map":
        return schema.element or ANY
    return schema.fields.get(key, ANY)


def _walk(schema: Schema, value: Any, path: Path, found: Members, applied: bool) -> None:
    if isinstance(value, dict) and value and schema.shape in ("struct", "map"):
        if schema.topology == "granular":
            _walk_map(schema, value, path, found, applied)
            return
    elif isinstance(value, list) and value and schema.topology in ("map", "set"):
        _walk_list(schema, value, path, found, applied)
        return
    found[path] = value


def _walk_map(schema: Schema, value: dict[str, Any], path: Path, found: Members, applied: bool) -> None:
    if not applied and not _comes_along(schema, path):
        found[path] = CONTAINER
    for key, item in value.items():
        _walk(_field(schema, key), item, (*path, f"f:{key}"), found, applied)


def _walk_list(schema: Schema, value: list[Any], path: Path, found: Members, applied: bool) -> None:
    if not applied and path[-1] != "f:containers":
        found[path] = CONTAINER
    for item in value:
        element = element_of(schema, item)
        if schema.topology == "set":
            found[(*path, element)] = item
            continue
        found[(*path, element)] = CONTAINER
        for key, inner in item.items():
            _walk(_field(schema.element or ANY, key), inner, (*path, element, f"f:{key}"), found, applied)


def _comes_along(schema: Schema, path: Path) -> bool:
    if schema.shape != "struct":
        return False
    claim_resources = schema.go_name == "VolumeResourceRequirements"
    return path[-1].removeprefix("f:") in _ALWAYS_THERE or claim_resources


def element_of(schema: Schema, item: Any) -> str:
    """The path element of a list's entry."""
    if schema.topology == "set":
        return f"v:{json.dumps(item)}"
    keys = {key: key_of(item, key) for key in sorted(schema.keys)}
    return f"k:{_compact({key: value for key, value in keys.items() if value is not None})}"


def key_of(item: Mapping[str, Any], key: str) -> Any:
    """A key of a list's entry, with the one default that such keys have."""
    return item.get(key, _DEFAULT_KEYS.get(key))


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def to_fields_v1(paths: Iterable[Path]) -> dict[str, Any]:
    """The FieldsV1 tree of some paths: `.` marks a member that has members below it."""
    wanted = sorted(set(paths))
    inner = {path[:depth] for path in wanted for depth in range(1, len(path))}
    tree: dict[str, Any] = {}
    for path in wanted:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        if path in inner:
            node["."] = {}
    return _sorted(tree)


def _sorted(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: _sorted(tree[key]) for key in sorted(tree)}


def from_fields_v1(tree: Mapping[str, Any], prefix: Path = ()) -> set[Path]:
    """The paths of a FieldsV1 tree."""
    found: set[Path] = set()
    for element, below in tree.items():
        if element == ".":
            found.add(prefix)
        elif below:
            found |= from_fields_v1(below, (*prefix, element))
        else:
            found.add((*prefix, element))
    return found


def spelled(path: Path) -> str:
    """A path as conflicts show it: `.spec.containers[name="postgres"].image`."""
    return "".join(_spelled_element(element) for element in path)


def _spelled_element(element: str) -> str:
    kind, _, text = element.partition(":")
    if kind == "k":
        keys = json.loads(text)
        return "[" + ",".join(f"{key}={_compact(value)}" for key, value in keys.items()) + "]"
    return f"[={text}]" if kind == "v" else f".{text}"
