"""Strategic merge patch: lists merge by key where the type says so, with the directives kubectl uses.

Kubernetes, "Update API Objects in Place Using kubectl patch" and apimachinery's strategicpatch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pgnb_rehearsal.api.objects import copied
from pgnb_rehearsal.api.schema import ANY, Schema
from pgnb_rehearsal.api.status import bad_request

_ORDER = "$setElementOrder/"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"


def strategic_merge(schema: Schema, target: Any, patch: Any) -> Any:
    """The target with the patch applied; neither is changed. StatusError 400 for a malformed directive."""
    return _merged_map(schema, target, patch)


def _merged_map(schema: Schema, target: Any, patch: dict[str, Any]) -> Any:
    directive = patch.get("$patch")
    if directive == "delete":
        return {}
    if directive == "replace":
        return {key: copied(value) for key, value in patch.items() if key != "$patch"}
    if directive not in (None, "merge"):
        raise bad_request(f"Unrecognized value for the $patch directive: {directive!r}".replace("'", '"'))
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_key(schema, result, key, value)
    _delete_primitives(result, patch)
    _order_lists(schema, result, patch)
    return result


def _field(schema: Schema, key: str) -> Schema:
    if schema.shape == "map":
        return schema.element or ANY
    return schema.fields.get(key, ANY)


def _merge_key(schema: Schema, result: dict[str, Any], key: str, value: Any) -> None:
    field = _field(schema, key)
    if value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        merged = _merged_map(field, result.get(key), value)
        if value.get("$patch") == "delete":
            result.pop(key, None)
        else:
            result[key] = merged
    elif isinstance(value, list) and "merge" in field.strategies:
        result[key] = _merged_list(field, result.get(key), value)
    else:
        result[key] = copied(value)


def _merged_list(schema: Schema, target: Any, patch: list[Any]) -> list[Any]:
    current = list(target) if isinstance(target, list) else []
    if not schema.merge_key:
        return current + [item for item in patch if item not in current]
    return _merged_by_key(schema, current, patch)


def _merged_by_key(schema: Schema, current: list[Any], patch: list[Any]) -> list[Any]:
    key, element = schema.merge_key, schema.element or ANY
    if any(item.get("$patch") == "replace" for item in patch if isinstance(item, dict)):
        return [copied(item) for item in patch if item.get("$patch") != "replace"]
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        places = [index for index, old in enumerate(current) if old.get(key) == item[key]]
        if item.get("$patch") == "delete":
            current = [old for old in current if old.get(key) != item[key]]
        elif places:
            current[places[0]] = _merged_map(element, current[places[0]], item)
        else:
            current.append(_merged_map(element, {}, item))
    return current


def _delete_primitives(result: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, values in patch.items():
        name = key.removeprefix(_DELETE_PRIMITIVES)
        if key.startswith(_DELETE_PRIMITIVES) and isinstance(result.get(name), list):
            result[name] = [item for item in result[name] if item not in values]


def _order_lists(schema: Schema, result: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, desired in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and isinstance(result.get(name), list):
            identity = _identity(_field(schema, name).merge_key)
            result[name] = ordered_like(result[name], desired, identity)


def _identity(merge_key: str) -> Callable[[Any], Any]:
    return lambda item: item.get(merge_key) if merge_key and isinstance(item, dict) else item


def ordered_like(items: list[Any], desired: list[Any], identity: Callable[[Any], Any]) -> list[Any]:
    """The desired ones in their order; those that are not among them stay after their predecessor."""
    ranks = {identity(item): rank for rank, item in enumerate(desired)}
    keyed, last = [], -1
    for item in items:
        known = ranks.get(identity(item))
        last = last if known is None else known
        keyed.append((last, known is None, item))
    return [item for _, _, item in sorted(keyed, key=lambda entry: entry[:2])]
