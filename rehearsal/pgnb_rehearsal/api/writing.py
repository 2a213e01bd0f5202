"""Create, replace, patch and delete of objects."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from pgnb_rehearsal.api.answers import deleted_status, json_response, list_in_form, object_in_form
from pgnb_rehearsal.api.bodies import content_type, read_object
from pgnb_rehearsal.api.context import Call
from pgnb_rehearsal.api.decoding import decode, strict_error, warnings
from pgnb_rehearsal.api.deletion import lingers
from pgnb_rehearsal.api.escalation import check_escalation
from pgnb_rehearsal.api.negotiation import Form, negotiated
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.options import DeleteOptions, WriteOptions, delete_options, write_options
from pgnb_rehearsal.api.reading import deprecations
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import bad_request

_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove "
    "them or set propagationPolicy=Orphan to suppress this warning"
)


def options_of(call: Call, kind: str) -> WriteOptions:
    """The write options of a request; `kind` is CreateOptions, UpdateOptions or PatchOptions."""
    return write_options(kind, call.request.query, call.request.headers.get("User-Agent", "unknown"))


def decoded(resource: Resource, body: Any, options: WriteOptions) -> tuple[Object, list[str]]:
    """The object and the warnings about it; StatusError 400 for unknown fields when validation is strict."""
    obj, unknown = decode(resource, body)
    if unknown and options.validation == "Strict":
        raise strict_error(resource, unknown)
    return obj, warnings(unknown) if options.validation == "Warn" else []


async def create(call: Call) -> web.StreamResponse:
    """POST to a collection."""
    resource, form = call.resource, negotiated(call.accept)
    options = options_of(call, "CreateOptions")
    obj, warned = decoded(resource, await read_object(call.request, resource.kind), options)
    _place(call, obj)
    if "status" in resource.subresources:
        obj.pop("status", None)
    check_escalation(call.store, call.user, resource, obj)
    made = call.store.create(resource.plural, obj, manager=options.manager, dry_run=options.dry_run)
    return written(resource, made, form, warned, 201)


async def replace(call: Call) -> web.StreamResponse:
    """PUT of an object."""
    resource, form = call.resource, negotiated(call.accept)
    options = options_of(call, "UpdateOptions")
    obj, warned = decoded(resource, await read_object(call.request, resource.kind), options)
    check_name(call, obj)
    _place(call, obj)
    check_escalation(call.store, call.user, resource, obj)
    updated = call.store.update(
        resource.plural,
        obj,
        subresource=call.info.subresource,
        manager=options.manager,
        dry_run=options.dry_run,
    )
    return written(resource, updated, form, warned)


async def delete(call: Call) -> web.StreamResponse:
    """DELETE of an object: the object itself while something is waited for, else a Status."""
    resource, form = call.resource, negotiated(call.accept)
    options, warned = await _delete_options(call)
    gone = _delete_one(call, call.info.name, options)
    if resource.returns_deleted or lingers(gone):
        return written(resource, gone, form, warned)
    return json_response(deleted_status(resource, gone), warnings=warned)


async def delete_collection(call: Call) -> web.StreamResponse:
    """DELETE of all that the selectors choose; answers with the list of them."""
    resource, query = call.resource, call.request.query
    options, warned = await _delete_options(call)
    chosen = call.store.list(
        resource.plural,
        call.namespace,
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
    )
    for obj in chosen:
        _delete_one(call, obj["metadata"]["name"], options)
    metadata = {"resourceVersion": call.store.resource_version}
    return json_response(list_in_form(resource, chosen, metadata, Form()), warnings=warned)


def written(
    resource: Resource, obj: Object, form: Form, warned: list[str], status: int = 200
) -> web.Response:
    """The answer to a write."""
    if "resourceVersion" not in obj["metadata"]:
        form = Form()
    body = object_in_form(resource, obj, form)
    return json_response(body, status, warnings=[*warned, *deprecations(resource)])


def check_name(call: Call, obj: Object) -> None:
    """StatusError 400 when the body names another object than the path."""
    name = obj["metadata"].get("name")
    if not name:
        obj["metadata"]["name"] = call.info.name
    elif name != call.info.name:
        message = f"the name of the object ({name}) does not match the name on the URL ({call.info.name})"
        raise bad_request(message)


def _place(call: Call, obj: Object) -> None:
    """The object belongs to the path's namespace."""
    metadata, namespace = obj["metadata"], call.info.namespace
    if not call.resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.get("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace


async def _delete_options(call: Call) -> tuple[DeleteOptions, list[str]]:
    body = None
    if call.request.can_read_body and content_type(call.request) in ("application/json", "application/yaml"):
        body = await read_object(call.request, "DeleteOptions")
    options = delete_options(call.request.query, body)
    if call.resource.plural == "jobs" and not options.propagation:
        kept = DeleteOptions(options.grace, "Orphan", options.uid, options.resource_version, options.dry_run)
        return kept, [_ORPHANS]
    return options, []


def _delete_one(call: Call, name: str, options: DeleteOptions) -> Object:
    return call.store.delete(
        call.resource.plural,
        call.namespace,
        name,
        grace=options.grace,
        propagation=options.propagation,
        uid=options.uid,
        resource_version=options.resource_version,
        dry_run=options.dry_run,
    )
