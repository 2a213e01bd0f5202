"""/openapi/v3: the types, and of every path what kubectl looks for (that a write takes fieldValidation)."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from pgnb_rehearsal.api.discovery import group_versions
from pgnb_rehearsal.api.resources import RESOURCES, Resource
from pgnb_rehearsal.api.schema import definition_name, definitions

_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


def index() -> dict[str, Any]:
    """The body of /openapi/v3: where the document of each group and version is."""
    paths = {}
    for group_version in group_versions():
        path = _path(group_version)
        digest = hashlib.sha256(json.dumps(document(group_version)).encode()).hexdigest().upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def find(path: str) -> dict[str, Any] | None:
    """The document at `api/v1` or `apis/apps/v1`; None when there is none."""
    found = next((gv for gv in group_versions() if _path(gv) == path), None)
    return None if found is None else document(found)


@cache
def document(group_version: str) -> dict[str, Any]:
    """The OpenAPI document of one group and version."""
    resources = [resource for resource in RESOURCES if resource.api_version == group_version]
    paths: dict[str, Any] = {}
    for resource in resources:
        collection = _collection(resource)
        paths[collection] = _operations(resource, ("get", "post"))
        paths[f"{collection}/{{name}}"] = _operations(resource, ("get", "put", "patch", "delete"))
    roots = [definition_name(r.group, r.version, r.kind) for r in resources]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "rehearsal"},
        "paths": paths,
        "components": {"schemas": _reached(roots)},
    }


def _path(group_version: str) -> str:
    return f"apis/{group_version}" if "/" in group_version else f"api/{group_version}"


def _collection(resource: Resource) -> str:
    middle = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"{resource.prefix}{middle}/{resource.plural}"


def _operations(resource: Resource, methods: tuple[str, ...]) -> dict[str, Any]:
    kind = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    operations: dict[str, Any] = {}
    for method in methods:
        names = () if method in ("get", "delete") else _PARAMETERS
        operations[method] = {
            "parameters": [
                {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
                for name in names
            ],
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": method,
            "x-kubernetes-group-version-kind": kind,
        }
    return operations


def _reached(roots: list[str]) -> dict[str, Any]:
    """The definitions that some definitions refer to, themselves included."""
    wanted, found = list(roots), {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = definitions()[name]
            wanted.extend(_references(found[name]))
    return {name: found[name] for name in sorted(found)}


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"].rsplit("/", 1)[-1]] if isinstance(value.get("$ref"), str) else []
    return own + [name for item in value.values() for name in _references(item)]
