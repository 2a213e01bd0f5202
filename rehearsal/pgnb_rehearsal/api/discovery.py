"""What the server offers: groups, versions and resources, plain and aggregated, and its version."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, NamedTuple

from pgnb_rehearsal.api.resources import ALL_VERBS, RESOURCES, Resource
from pgnb_rehearsal.api.reviews import KINDS as REVIEWS

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
KUBERNETES_VERSION = "v1.36.2"


class Subresource(NamedTuple):
    """Its own kind (empty: the resource's), that kind's group and version, and its verbs."""

    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


_OBJECT_VERBS = ("get", "patch", "update")
_STREAM_VERBS = ("create", "get")
SUBRESOURCES = {
    "exec": Subresource("PodExecOptions", _STREAM_VERBS),
    "finalize": Subresource("", ("update",)),
    "log": Subresource("", ("get",)),
    "portforward": Subresource("PodPortForwardOptions", _STREAM_VERBS),
    "scale": Subresource("Scale", _OBJECT_VERBS, "autoscaling", "v1"),
    "status": Subresource("", _OBJECT_VERBS),
    "token": Subresource("TokenRequest", ("create",), "authentication.k8s.io", "v1"),
}


def version_info() -> dict[str, str]:
    """The body of /version."""
    _, minor, _ = KUBERNETES_VERSION.split(".")
    return {
        "major": "1",
        "minor": minor,
        "emulationMajor": "1",
        "emulationMinor": minor,
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"{KUBERNETES_VERSION}+pgnb-rehearsal",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux",
    }


def verbs_of(resource: Resource) -> list[str]:
    """The verbs of a resource; namespaces cannot be deleted as a collection."""
    skipped = ("deletecollection",) if resource.plural == "namespaces" else ()
    return [verb for verb in ALL_VERBS if verb not in skipped]


def group_versions() -> list[str]:
    """All `group/version`, the core `v1` first."""
    found = {resource.api_version: None for resource in RESOURCES}
    found.update({api_version: None for api_version, _ in REVIEWS})
    return list(found)


def api_versions(address: str) -> dict[str, Any]:
    """The body of /api."""
    cidr = {"clientCIDR": "0.0.0.0/0", "serverAddress": address}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [cidr]}


def group_list() -> dict[str, Any]:
    """The body of /apis."""
    groups = [api_group(gv.split("/")[0]) for gv in group_versions() if "/" in gv]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(group: str) -> dict[str, Any] | None:
    """One group of /apis; every group has one version. None when there is no such group."""
    found = next((gv for gv in group_versions() if gv.startswith(f"{group}/")), None)
    if found is None:
        return None
    version = {"groupVersion": found, "version": found.split("/")[1]}
    return {"name": group, "versions": [version], "preferredVersion": version}


def resource_list(group_version: str) -> dict[str, Any] | None:
    """The body of /api/v1 or /apis/group/version; None when there is no such one."""
    if group_version not in group_versions():
        return None
    resources: list[dict[str, Any]] = []
    for resource in sorted(RESOURCES, key=lambda r: r.plural):
        if resource.api_version == group_version:
            resources.extend(_plain(resource))
    for (api_version, plural), kind in sorted(REVIEWS.items()):
        if api_version == group_version:
            resources.append(_plain_review(plural, kind))
    head: dict[str, Any] = {"kind": "APIResourceList"}
    if "/" in group_version:
        head["apiVersion"] = "v1"
    return head | {"groupVersion": group_version, "resources": resources}


def aggregated(core: bool) -> dict[str, Any]:
    """The APIGroupDiscoveryList that kubectl asks for, of /api or of /apis."""
    wanted = [gv for gv in group_versions() if ("/" not in gv) is core]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_aggregated_group(gv) for gv in wanted],
    }


def _review_is_namespaced(plural: str) -> bool:
    return plural.startswith("local")


def _plain(resource: Resource) -> list[dict[str, Any]]:
    head: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs_of(resource),
    }
    if resource.short_names:
        head["shortNames"] = list(resource.short_names)
    if resource.categories:
        head["categories"] = list(resource.categories)
    head["storageVersionHash"] = _storage_hash(resource)
    return [head, *(_plain_subresource(resource, name) for name in resource.subresources)]


def _plain_subresource(resource: Resource, name: str) -> dict[str, Any]:
    sub = SUBRESOURCES[name]
    head: dict[str, Any] = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
    }
    if sub.group:
        head |= {"group": sub.group, "version": sub.version}
    return head | {"kind": sub.kind or resource.kind, "verbs": list(sub.verbs)}


def _plain_review(plural: str, kind: str) -> dict[str, Any]:
    return {
        "name": plural,
        "singularName": kind.lower(),
        "namespaced": _review_is_namespaced(plural),
        "kind": kind,
        "verbs": ["create"],
    }


def _storage_hash(resource: Resource) -> str:
    text = f"{resource.group}/{resource.version}/{resource.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def _aggregated_group(group_version: str) -> dict[str, Any]:
    group, _, version = group_version.rpartition("/")
    resources = [_aggregated(r) for r in RESOURCES if r.api_version == group_version]
    resources += [_aggregated_review(p, k) for (gv, p), k in REVIEWS.items() if gv == group_version]
    resources.sort(key=lambda entry: str(entry["resource"]))
    versions = [{"version": version, "resources": resources, "freshness": "Current"}]
    return {"metadata": {"name": group} if group else {}, "versions": versions}


def _aggregated(resource: Resource) -> dict[str, Any]:
    entry = _aggregated_head(resource.plural, resource.kind, resource.namespaced, resource.singular)
    entry["verbs"] = verbs_of(resource)
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_aggregated_subresource(resource, name) for name in resource.subresources]
    return entry


def _aggregated_head(plural: str, kind: str, namespaced: bool, singular: str) -> dict[str, Any]:
    return {
        "resource": plural,
        "responseKind": {"group": "", "version": "", "kind": kind},
        "scope": "Namespaced" if namespaced else "Cluster",
        "singularResource": singular,
    }


def _aggregated_subresource(resource: Resource, name: str) -> dict[str, Any]:
    sub = SUBRESOURCES[name]
    kind = {"group": sub.group, "version": sub.version, "kind": sub.kind or resource.kind}
    return {"subresource": name, "responseKind": kind, "verbs": list(sub.verbs)}


def _aggregated_review(plural: str, kind: str) -> dict[str, Any]:
    return _aggregated_head(plural, kind, _review_is_namespaced(plural), kind.lower()) | {"verbs": ["create"]}
