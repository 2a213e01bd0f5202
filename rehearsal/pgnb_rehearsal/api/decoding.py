"""Reading an object that a client sent: types checked, nulls and unknown fields taken out.

The messages are those of the real server's JSON decoder, which name Go's types.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Any

from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.schema import Schema, schema_of
from pgnb_rehearsal.api.status import StatusError, bad_request

_QUANTITY = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_QUANTITY_MESSAGE = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LAYOUTS = {"time": "2006-01-02T15:04:05Z07:00", "micro-time": "2006-01-02T15:04:05.000000Z07:00"}
_INTEGERS = {"int32": 2**31, "int64": 2**63}


class _Unreadable(Exception):
    """A value of the wrong type; its text is the decoder's."""


def decode(resource: Resource, body: Any) -> tuple[dict[str, Any], list[str]]:
    """The object with known fields only, and the paths of the unknown ones.

    Raises StatusError 400 for another kind than the resource's, or a value of the wrong type.
    """
    if not isinstance(body, dict):
        raise _undecodable(resource, _mismatch(body, schema_of(resource), "", resource.kind))
    _check_kind(resource, body)
    unknown: list[str] = []
    try:
        obj = _Decoder(unknown).value(schema_of(resource), body, "", "", resource.kind)
    except _Unreadable as error:
        raise _undecodable(resource, str(error)) from None
    head = {"kind": resource.kind, "apiVersion": resource.api_version}
    return head | obj | head | {"metadata": obj.get("metadata") or {}}, unknown


def _undecodable(resource: Resource, why: str) -> StatusError:
    version = resource.version
    return bad_request(
        f'{resource.kind} in version "{version}" cannot be handled as a {resource.kind}: {why}'
    )


def strict_error(resource: Resource, unknown: list[str]) -> StatusError:
    """400 for unknown fields when the client asked for strict validation."""
    return _undecodable(resource, "strict decoding error: " + ", ".join(warnings(unknown)))


def warnings(unknown: list[str]) -> list[str]:
    """What is said about unknown fields when the client asked to be warned."""
    return [f'unknown field "{path}"' for path in unknown]


def _check_kind(resource: Resource, body: dict[str, Any]) -> None:
    kind, version = body.get("kind") or resource.kind, body.get("apiVersion") or resource.api_version
    if version != resource.api_version:
        message = (
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.api_version})"
        )
        raise bad_request(message)
    if kind != resource.kind:
        short = resource.group.split(".")[0] or "core"
        why = f"converting (v1.{kind}) to ({short}.{resource.kind}): unknown conversion"
        raise bad_request(f'{kind} in version "v1" cannot be handled as a {resource.kind}: {why}')


def _json_name(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    names = {int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _go_type(schema: Schema) -> str:
    if schema.shape == "struct":
        return "v1." + schema.go_name
    if schema.shape == "map" and schema.element:
        return f"map[string]{_go_type(schema.element)}"
    if schema.shape == "list" and schema.element:
        return f"[]{_go_type(schema.element)}"
    return schema.shape


def _mismatch(value: Any, schema: Schema, owner: str, path: str) -> str:
    where = f"Go struct field {owner}.{path}" if owner else "Go value"
    return f"json: cannot unmarshal {_json_name(value)} into {where} of type {_go_type(schema)}"


class _Decoder:
    """One walk through an object. `path` is the field's path with indexes (for unknown fields), `plain`
    the same without (for type errors), `owner` the innermost struct."""

    def __init__(self, unknown: list[str]) -> None:
        self.unknown = unknown

    def value(self, schema: Schema, value: Any, path: str, plain: str, owner: str) -> Any:
        if schema.shape == "struct":
            return self._struct(schema, self._typed(dict, schema, value, plain, owner), path, plain)
        if schema.shape == "map":
            items = self._typed(dict, schema, value, plain, owner)
            return self._map(schema, items, path, plain, owner)
        if schema.shape == "list":
            entries = self._typed(list, schema, value, plain, owner)
            return self._list(schema, entries, path, plain, owner)
        return value if schema.shape == "any" else _checked_scalar(schema, value, plain, owner)

    @staticmethod
    def _typed(kind: type, schema: Schema, value: Any, plain: str, owner: str) -> Any:
        if not isinstance(value, kind):
            raise _Unreadable(_mismatch(value, schema, owner, plain))
        return value

    def _struct(self, schema: Schema, given: dict[str, Any], path: str, plain: str) -> dict[str, Any]:
        result = {}
        for key, item in given.items():
            known = schema.fields.get(key)
            if known is None:
                self.unknown.append(f"{path}.{key}" if path else key)
            elif item is not None:
                inner = f"{path}.{key}" if path else key
                plain_inner = f"{plain}.{key}" if plain else key
                value = self.value(known, item, inner, plain_inner, schema.go_name)
                if not _left_out(key, known, value):
                    result[key] = value
        return result

    def _map(
        self, schema: Schema, value: dict[str, Any], path: str, plain: str, owner: str
    ) -> dict[str, Any]:
        element = schema.element or schema
        return {
            key: _zero(element) if item is None else self.value(element, item, f"{path}.{key}", plain, owner)
            for key, item in value.items()
        }

    def _list(self, schema: Schema, value: list[Any], path: str, plain: str, owner: str) -> list[Any]:
        element = schema.element or schema
        return [
            _zero(element) if item is None else self.value(element, item, f"{path}[{index}]", plain, owner)
            for index, item in enumerate(value)
        ]


def _left_out(key: str, schema: Schema, value: Any) -> bool:
    """Go writes no empty map and no empty list; only a role's rules say something by being empty."""
    return not value and schema.shape in ("map", "list") and key != "rules"


def _zero(schema: Schema) -> Any:
    """What Go makes of a null inside a map or a list."""
    zeros: dict[str, Any] = {"struct": {}, "map": {}, "list": [], "bool": False, "int32": 0, "int64": 0}
    return zeros.get(schema.shape, "")


def _checked_scalar(schema: Schema, value: Any, plain: str, owner: str) -> Any:
    shape = schema.shape
    if shape == "quantity":
        return _quantity(value)
    if shape == "int-or-string":
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise _Unreadable(_mismatch(value, Schema("string"), owner, plain))
        return value
    if shape in _INTEGERS:
        return _integer(schema, value, plain, owner)
    if shape == "bool":
        if not isinstance(value, bool):
            raise _Unreadable(_mismatch(value, schema, owner, plain))
        return value
    if not isinstance(value, str):
        shown = Schema("[]uint8" if shape == "byte" else "string")
        raise _Unreadable(_mismatch(value, shown, owner, plain))
    if shape == "byte":
        return _bytes(value)
    return _time(shape, value) if shape in _LAYOUTS else value


def _integer(schema: Schema, value: Any, plain: str, owner: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    limit = _INTEGERS[schema.shape]
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Unreadable(_mismatch(value, schema, owner, plain))
    if not -limit <= value < limit:
        shown = f"json: cannot unmarshal number {value} into Go struct field {owner}.{plain}"
        raise _Unreadable(f"{shown} of type {schema.shape}")
    return value


def _quantity(value: Any) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _QUANTITY.fullmatch(text):
        raise _Unreadable(_QUANTITY_MESSAGE)
    return text


def _bytes(value: str) -> str:
    """Base64 as Go's strict decoder takes it; the error names the first byte that does not fit."""
    text = value.replace("\r", "").replace("\n", "")
    bad = re.search(r"[^A-Za-z0-9+/=]", text)
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        position = bad.start() if bad else len(text) - len(text) % 4
        raise _Unreadable(f"illegal base64 data at input byte {position}") from None
    return text


def _time(shape: str, value: str) -> str:
    if _TIME.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise _Unreadable(f'parsing time "{value}": day out of range') from None
        return value
    layout = _LAYOUTS[shape]
    raise _Unreadable(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')
