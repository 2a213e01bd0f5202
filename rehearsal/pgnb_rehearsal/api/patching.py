"""PATCH in its four kinds."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from pgnb_rehearsal.api.apply import applied
from pgnb_rehearsal.api.bodies import content_type, read_json_patch, read_text, read_yaml
from pgnb_rehearsal.api.context import Call, server_error
from pgnb_rehearsal.api.decoding import decode
from pgnb_rehearsal.api.escalation import check_escalation
from pgnb_rehearsal.api.negotiation import negotiated
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.options import WriteOptions, options_error
from pgnb_rehearsal.api.patch import json_patch, merge_patch
from pgnb_rehearsal.api.schema import schema_of
from pgnb_rehearsal.api.status import (
    bad_request,
    conflict,
    invalid,
    invalid_value,
    not_found,
    required,
    unsupported_media_type,
)
from pgnb_rehearsal.api.strategic import strategic_merge
from pgnb_rehearsal.api.writing import check_name, decoded, options_of, written

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


async def patch(call: Call) -> web.StreamResponse:
    """PATCH of an object or of its status; the kind of patch is the Content-Type."""
    media = content_type(call.request)
    if media not in PATCHES:
        raise unsupported_media_type()
    options = options_of(call, "PatchOptions")
    form = negotiated(call.accept)
    text = await read_text(call.request)
    if media == APPLY:
        obj, warned, status = _apply(call, text, options)
        return written(call.resource, obj, form, warned, status)
    patched = patched_object(call.existing(), media, text, call)
    obj, warned = decoded(call.resource, patched, options)
    _check_identity(call, obj)
    check_escalation(call.store, call.user, call.resource, obj)
    updated = call.store.update(
        call.resource.plural,
        obj,
        subresource=call.info.subresource,
        manager=options.manager,
        dry_run=options.dry_run,
    )
    return written(call.resource, updated, form, warned)


def patched_object(current: Object, media: str, text: str, call: Call) -> Any:
    """The current object with a JSON, merge or strategic merge patch applied."""
    body = read_json_patch(text)
    if media == JSON_PATCH:
        return json_patch(current, body)
    if not isinstance(body, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}"
        )
    if media == MERGE_PATCH:
        return merge_patch(current, body)
    return strategic_merge(schema_of(call.resource), current, body)


def _check_identity(call: Call, obj: Object) -> None:
    """A patch may not rename; whoever tries is told so as by validation."""
    name = obj["metadata"].get("name", "")
    if name != call.info.name:
        shown = f'"{name}"'
        raise invalid(
            call.resource, call.info.name, [invalid_value("metadata.name", shown, "field is immutable")]
        )


def _apply(call: Call, text: str, options: WriteOptions) -> tuple[Object, list[str], int]:
    """Server-side apply; creates the object when there is none (not of a subresource)."""
    if not call.request.query.get("fieldManager"):
        cause = required("fieldManager", "is required for apply patch")
        raise options_error("PatchOptions", [cause])
    config = _config(call, read_yaml(text))
    store, resource = call.store, call.resource
    live = store.find(resource.plural, call.namespace, call.info.name)
    if live is None and call.info.subresource:
        raise not_found(resource, call.info.name)
    if live is None:
        call.allow("create")
    _check_precondition(call, live, config)
    merged = applied(
        resource, live, config, options.manager, force=options.force, subresource=call.info.subresource
    )
    check_escalation(store, call.user, resource, merged)
    if live is None:
        return store.create_owned(resource.plural, merged, dry_run=options.dry_run), [], 201
    merged["metadata"].pop("resourceVersion", None)
    updated = store.update_owned(
        resource.plural, merged, subresource=call.info.subresource, dry_run=options.dry_run
    )
    return updated, [], 200


def _check_precondition(call: Call, live: Object | None, config: Object) -> None:
    wanted = config["metadata"].pop("resourceVersion", None)
    if wanted and (live is None or wanted != live["metadata"]["resourceVersion"]):
        raise conflict(call.resource, call.info.name)


def _config(call: Call, body: Any) -> Object:
    """The applied configuration: typed, named as the path, nothing in it that the type does not have."""
    if not isinstance(body, dict):
        raise bad_request("error decoding YAML: the applied configuration must be one object")
    for key in ("apiVersion", "kind"):
        if not body.get(key):
            raise bad_request(f"Object '{'Kind' if key == 'kind' else 'apiVersion'}' is missing")
    obj, unknown = decode(call.resource, body)
    if unknown:
        name = f"{call.info.namespace}/{call.info.name}"
        kind = f"{call.resource.api_version}, Kind={call.resource.kind}"
        why = f".{unknown[0]}: field not declared in schema"
        raise server_error(f"failed to create typed patch object ({name}; {kind}): {why}")
    if obj["metadata"].get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    check_name(call, obj)
    if call.resource.namespaced:
        obj["metadata"]["namespace"] = call.info.namespace
    return obj
