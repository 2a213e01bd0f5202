"""What a request asks for: its path and method taken apart as the real API server does (RequestInfo)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgnb_rehearsal.api.resources import RESOURCES, Resource

_BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
_NAMESPACE_SUBRESOURCES = ("finalize", "status")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class RequestInfo:
    """`verb` is Kubernetes' (get, list, watch, create, update, patch, delete, deletecollection) or, for a
    path that is no resource, the lower-case method; `plural` is the path's, `resource` None when it is
    unknown."""

    verb: str
    path: str
    is_resource: bool
    group: str = ""
    version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""
    resource: Resource | None = None

    @property
    def target(self) -> str:
        """`pods` or `pods/exec`, as rights and refusals name it."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def parse_request(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Takes a request apart; never fails: what is no resource is only a path."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        return _resource_request(method, path, query, "", parts[1], parts[2:])
    if len(parts) >= 4 and parts[0] == "apis":
        return _resource_request(method, path, query, parts[1], parts[2], parts[3:])
    return RequestInfo(method.lower(), path, False)


def _resource_request(
    method: str, path: str, query: Mapping[str, str], group: str, version: str, parts: list[str]
) -> RequestInfo:
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    plural, name, subresource = (*parts, "", "")[:3]
    verb = _verb(method, name, query)
    if verb in ("list", "watch") and not name:
        name = _name_selected(query.get("fieldSelector", ""))
    found = _BY_PATH.get((group, version, plural))
    return RequestInfo(verb, path, True, group, version, namespace, plural, name, subresource, found)


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method in ("GET", "HEAD"):
        if not name and query.get("watch", "false").lower() in ("1", "true"):
            return "watch"
        return "get" if name else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return _VERBS.get(method, "")


def _name_selected(fields: str) -> str:
    """`metadata.name=x` alone selects one object: rights on that name are enough, as in life."""
    key, _, value = fields.partition("=")
    return value if key == "metadata.name" and value and "," not in value and "=" not in value else ""
