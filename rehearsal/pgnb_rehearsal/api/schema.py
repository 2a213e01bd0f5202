"""The types of the kinds: what fields they have, and how lists and maps are merged.

`schemas.json` holds Kubernetes' own OpenAPI definitions (made by scripts/rehearsal_schemas.py), so that one
source decides about unknown fields, strategic merge, server-side apply and what /openapi/v3 says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from pgnb_rehearsal.api.resources import Resource

_PREFIX = "#/components/schemas/"
_SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "micro-time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
}
_SCALARS = {"string": "string", "integer": "int64", "boolean": "bool", "number": "float64"}


@dataclass(frozen=True)
class Schema:
    """One type. `shape` is struct, map, list or a scalar's name in Go's spelling (string, int32, bool, …)
    or quantity, int-or-string, time, micro-time, byte, any. `merge_key` and `strategies` are those of
    strategic merge; `topology` (granular, atomic, set, map) and `keys` those of server-side apply."""

    shape: str
    name: str = ""
    fields: Mapping[str, Schema] = field(default_factory=dict)
    element: Schema | None = None
    merge_key: str = ""
    strategies: frozenset[str] = frozenset()
    topology: str = "granular"
    keys: tuple[str, ...] = ()

    @property
    def go_name(self) -> str:
        """The name of the Go struct, as errors of its decoder spell it."""
        return self.name.rsplit(".", 1)[-1]


ANY = Schema("any")


@lru_cache(maxsize=1)
def definitions() -> dict[str, dict[str, Any]]:
    """All definitions by name, as /openapi/v3 serves them. Not to be changed."""
    loaded: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath("schemas.json").read_text())
    return loaded


@lru_cache(maxsize=1)
def _names_by_kind() -> dict[tuple[str, str, str], str]:
    kinds: dict[tuple[str, str, str], str] = {}
    for name, definition in definitions().items():
        for gvk in definition.get("x-kubernetes-group-version-kind", ()):
            kinds.setdefault((gvk["group"], gvk["version"], gvk["kind"]), name)
    return kinds


def definition_name(group: str, version: str, kind: str) -> str:
    """The definition's name of a kind."""
    return _names_by_kind()[group, version, kind]


def schema_of(resource: Resource) -> Schema:
    """The type of a resource's objects."""
    return named(definition_name(resource.group, resource.version, resource.kind))


@cache
def named(name: str) -> Schema:
    """The type of a definition."""
    if name in _SPECIAL:
        return Schema(_SPECIAL[name], name)
    return _built(definitions()[name], name)


def _built(raw: Mapping[str, Any], name: str = "") -> Schema:
    reference = raw.get("$ref")
    if reference:
        return named(reference.removeprefix(_PREFIX))
    kind = raw.get("type")
    if kind == "object":
        return _object(raw, name)
    if kind == "array":
        return _list(raw)
    return Schema(_scalar(raw), name)


def _scalar(raw: Mapping[str, Any]) -> str:
    kind, form = raw.get("type", ""), raw.get("format", "")
    if form in ("byte", "int32", "int64"):
        return str(form)
    return _SCALARS.get(kind, "any")


def _object(raw: Mapping[str, Any], name: str) -> Schema:
    topology = "atomic" if raw.get("x-kubernetes-map-type") == "atomic" else "granular"
    if "properties" in raw:
        fields = {key: _field(value) for key, value in raw["properties"].items()}
        return Schema("struct", name, fields=fields, topology=topology)
    if isinstance(raw.get("additionalProperties"), dict):
        return Schema("map", name, element=_built(raw["additionalProperties"]), topology=topology)
    return Schema("struct" if name else "any", name, topology=topology)


def _field(raw: Mapping[str, Any]) -> Schema:
    """A field's type; a patch strategy may stand at the field whose type is a reference."""
    built = _built(raw)
    strategies = frozenset(filter(None, raw.get("x-kubernetes-patch-strategy", "").split(",")))
    if strategies and strategies != built.strategies:
        merge_key = raw.get("x-kubernetes-patch-merge-key", "")
        changed: dict[str, Any] = {"strategies": strategies, "merge_key": merge_key}
        return Schema(**{**built.__dict__, **changed})
    return built


def _list(raw: Mapping[str, Any]) -> Schema:
    topology = raw.get("x-kubernetes-list-type", "atomic")
    keys = tuple(raw.get("x-kubernetes-list-map-keys", ()))
    return Schema("list", element=_built(raw["items"]), topology=topology, keys=keys)
