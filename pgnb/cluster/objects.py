"""Read, create, change and delete objects of the API, each change in the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pgnb.cluster.client import Api, Object, Query
from pgnb.cluster.resources import Resource, known_for, resource
from pgnb.cluster.unchanged import as_seen, remember
from pgnb.core.errors import Conflict, NotFound, ParameterError, Rejected
from pgnb.core.journal import Act

MANAGER = "pgnb"
"""The field manager of pgnb's changes in managedFields."""
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
PAGE = 500


def get(api: Api, kind: str, name: str) -> Object | None:
    """Return the object, or None if it does not exist."""
    try:
        return api.call("GET", resource(kind).path(api.namespace, name))
    except NotFound:
        return None


def list_all(api: Api, kind: str, selector: str = "", fields: str = "") -> list[Object]:
    """Return every object that the label and field selectors match, page by page."""
    query: dict[str, str | int | bool] = {"limit": PAGE}
    query |= {"labelSelector": selector} if selector else {}
    query |= {"fieldSelector": fields} if fields else {}
    found: list[Object] = []
    while True:
        page = _page(api, kind, query, selector)
        found += page.get("items") or []
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            return found
        query["continue"] = token


def _page(api: Api, kind: str, query: Query, selector: str) -> Object:
    try:
        return api.call("GET", resource(kind).path(api.namespace), query=query)
    except Rejected as error:
        if not selector or "parse" not in error.message:
            raise
        raise ParameterError(
            f"the label selector {selector!r} cannot be used",
            found=error.message,
            remedy="Write it as kubectl's -l takes it: app=NAME, or app in (A, B), separated by commas.",
        ) from error


def events_of(api: Api, uid: str) -> list[Object]:
    """Return the events about one object, oldest first."""
    events = list_all(api, "events", fields=f"involvedObject.uid={uid}")
    return sorted(events, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))


def resource_of(api: Api, manifest: Mapping[str, Any]) -> Resource:
    """Return the resource of a manifest; for kinds that are not built in, ask the API server."""
    version, kind = str(manifest.get("apiVersion") or ""), str(manifest.get("kind") or "")
    if not version or not kind or not (manifest.get("metadata") or {}).get("name"):
        raise ParameterError(
            "a manifest lacks apiVersion, kind or metadata.name",
            found=f"apiVersion {version!r}, kind {kind!r}, metadata {manifest.get('metadata')!r}",
        )
    return known_for(version, kind) or _asked(api, version, kind)


def _asked(api: Api, version: str, kind: str) -> Resource:
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    for entry in api.call("GET", root).get("resources") or []:
        if entry["kind"] == kind and "/" not in entry["name"]:
            return Resource(entry["name"], kind, version, bool(entry["namespaced"]))
    raise ParameterError(f"the API server has no {kind} in {version}", remedy="See kubectl api-resources.")


def path_of(api: Api, manifest: Mapping[str, Any]) -> str:
    """Return the API path of a manifest's object. Raises ParameterError if it names another namespace."""
    meta, known = manifest.get("metadata") or {}, resource_of(api, manifest)
    if known.namespaced and meta.get("namespace", api.namespace) != api.namespace:
        raise ParameterError(
            f"the manifest of {known.label(meta['name'])} names another namespace",
            found=str(meta["namespace"]),
            remedy=f"Remove the namespace, or connect to that namespace instead of {api.namespace}.",
        )
    return known.path(api.namespace, str(meta["name"]))


def apply(
    api: Api,
    manifest: Mapping[str, Any],
    *,
    force: bool = False,
    dry_run: bool = False,
    seen: tuple[Object | None] | None = None,
) -> Object:
    """Apply server-side as the manager `pgnb`; with `dry_run` the server only returns the result.

    `seen` holds the object as the plan read it (None: it did not exist). Raises Conflict with the other
    managers' names unless `force` takes over their fields, and if the object has changed since the plan.
    """
    query: dict[str, str | int | bool] = {"fieldManager": MANAGER, "force": force}
    query["fieldValidation"] = "Strict"
    path = path_of(api, manifest)
    if dry_run:
        return _send(api, path, manifest, query | {"dryRun": "All"})
    with changing(api, label_of(api, manifest), "apply") as act:
        before = _find(api, path)
        after = _send_as_seen(api, path, manifest, query, before, seen)
        act.result = _outcome(before, after)
    return after


def _send_as_seen(
    api: Api,
    path: str,
    manifest: Mapping[str, Any],
    query: Query,
    now: Object | None,
    seen: tuple[Object | None] | None,
) -> Object:
    if seen is None or (now is None and seen[0] is None):
        return remember(api, _send(api, path, manifest, query))
    if seen[0] is None and now is not None and now["metadata"]["uid"] not in api.own:
        raise Conflict(
            f"{label_of(api, manifest)} was created by somebody else since the plan",
            found="it exists",
            remedy="Nothing of it was overwritten. Find out who created it, then run this again.",
        )

    def send(version: str) -> Object:
        meta = {**manifest["metadata"], "resourceVersion": version}
        return _send(api, path, {**manifest, "metadata": meta}, query)

    return as_seen(api, seen[0] or now or {}, send)


def _send(api: Api, path: str, manifest: Mapping[str, Any], query: Query) -> Object:
    try:
        return api.call("PATCH", path, query=query, body=manifest, content_type=APPLY)
    except Conflict as conflict:
        # For an apply, what pgnb itself set by a patch or a replacement counts as another manager's.
        if owners(conflict) != {MANAGER}:
            raise
    return api.call("PATCH", path, query={**query, "force": True}, body=manifest, content_type=APPLY)


def owners(conflict: Conflict) -> set[str]:
    """Return the managers of the conflicting fields."""
    parts = (part.rpartition(" belongs to ") for part in conflict.found.split("; "))
    return {name for _, belongs, name in parts if belongs}


@contextmanager
def changing(api: Api, target: str, what: str, *, guarded: bool = True) -> Iterator[Act]:
    """Journal a change; a plan-only run refuses it before it begins."""
    api.assert_applies(f"{what}: {target}")
    with api.journal.act(target, what, guarded=guarded) as act:
        yield act


def _find(api: Api, path: str) -> Object | None:
    try:
        return api.call("GET", path)
    except NotFound:
        return None


def _outcome(before: Object | None, after: Object) -> str:
    if before is None:
        return "created"
    same = before["metadata"].get("resourceVersion") == after["metadata"].get("resourceVersion")
    return "unchanged" if same else "changed"


def create(api: Api, manifest: Mapping[str, Any]) -> Object:
    """Create an object. Raises Conflict if one of its name exists."""
    name = str(manifest["metadata"].get("name") or manifest["metadata"].get("generateName", ""))
    known = known_for(str(manifest["apiVersion"]), str(manifest["kind"])) or resource_of(api, manifest)
    with changing(api, known.label(name), "create") as act:
        made = api.call("POST", known.path(api.namespace), query={"fieldManager": MANAGER}, body=manifest)
        act.result = f"created {known.label(made['metadata']['name'])}"
    return made


def try_create(api: Api, manifest: Mapping[str, Any]) -> Object:
    """Return what the API server would make of a new object, in a dry run. Raises Rejected, Conflict."""
    query: dict[str, str | int | bool] = {
        "fieldManager": MANAGER,
        "dryRun": "All",
        "fieldValidation": "Strict",
    }
    return api.call("POST", resource_of(api, manifest).path(api.namespace), query=query, body=manifest)


def patch(
    api: Api, kind: str, name: str, body: Mapping[str, Any], what: str, *, content_type: str = MERGE
) -> Object:
    """Change some fields; `what` is the journal's text. Raises NotFound, Conflict, Rejected."""
    with changing(api, resource(kind).label(name), what):
        return send_patch(api, kind, name, body, content_type)


def send_patch(api: Api, kind: str, name: str, body: Mapping[str, Any], content_type: str) -> Object:
    """Send a patch inside an act of the journal that the caller has begun."""
    path = resource(kind).path(api.namespace, name)
    query = {"fieldManager": MANAGER}
    return remember(api, api.call("PATCH", path, query=query, body=body, content_type=content_type))


def patch_as_seen(
    api: Api, seen: Mapping[str, Any], body: Mapping[str, Any], what: str, *, content_type: str = MERGE
) -> Object:
    """Patch an object only if nobody else changed it since it was read. Raises Conflict."""
    with changing(api, resource(seen["kind"]).label(seen["metadata"]["name"]), what):
        return send_patch_as_seen(api, seen, body, content_type)


def send_patch_as_seen(
    api: Api, seen: Mapping[str, Any], body: Mapping[str, Any], content_type: str
) -> Object:
    """Do `patch_as_seen` inside an act of the journal that the caller has begun."""
    kind, name = seen["kind"], seen["metadata"]["name"]

    def send(version: str) -> Object:
        meta = {**body.get("metadata", {}), "resourceVersion": version}
        return send_patch(api, kind, name, {**body, "metadata": meta}, content_type)

    return as_seen(api, dict(seen), send)


def replace(api: Api, manifest: Mapping[str, Any], what: str) -> Object:
    """Replace the object of that resourceVersion. Raises Conflict if it has changed."""
    with changing(api, label_of(api, manifest), what):
        query = {"fieldManager": MANAGER}
        return remember(api, api.call("PUT", path_of(api, manifest), query=query, body=manifest))


def delete(
    api: Api, kind: str, name: str, *, uid: str = "", grace: int | None = None, guarded: bool = True
) -> bool:
    """Delete an object, with `uid` only that one; return False if it did not exist."""
    known = resource(kind)
    options: dict[str, Any] = {"propagationPolicy": "Background"}
    options |= {"gracePeriodSeconds": grace} if grace is not None else {}
    options |= {"preconditions": {"uid": uid}} if uid else {}
    with changing(api, known.label(name), "delete", guarded=guarded) as act:
        try:
            api.call("DELETE", known.path(api.namespace, name), body=options)
        except NotFound:
            act.result = "was not there"
            return False
        act.result = "deleted"
    return True


def label_of(api: Api, manifest: Mapping[str, Any]) -> str:
    """Return the object's name in texts: `configmap/NAME`."""
    return resource_of(api, manifest).label(str(manifest["metadata"]["name"]))
