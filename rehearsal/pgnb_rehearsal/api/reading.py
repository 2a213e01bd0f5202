"""GET of objects and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from pgnb_rehearsal.api.answers import (
    continue_token,
    json_response,
    list_in_form,
    object_in_form,
    read_continue_token,
)
from pgnb_rehearsal.api.context import Call
from pgnb_rehearsal.api.negotiation import negotiated
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import StatusError, bad_request
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.api.watching import version_number

_DEPRECATED = {"endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"}


def deprecations(resource: Resource) -> list[str]:
    """What the server warns of whenever the resource is used."""
    warning = _DEPRECATED.get(resource.plural)
    return [warning] if warning else []


async def get(call: Call) -> web.StreamResponse:
    """One object; `resourceVersion` is satisfied by the newest, which is what there is."""
    form = negotiated(call.accept)
    body = object_in_form(call.resource, call.existing(), form)
    return json_response(body, warnings=deprecations(call.resource))


async def list_objects(call: Call) -> web.StreamResponse:
    """A list, whole or a page of it."""
    form, query = negotiated(call.accept), call.request.query
    check_version_reached(call.store, query.get("resourceVersion", ""))
    objects = _selected(call)
    page, metadata = _page(call.store, objects, query)
    body = list_in_form(call.resource, page, metadata, form)
    return json_response(body, warnings=deprecations(call.resource))


def _selected(call: Call) -> list[Object]:
    query = call.request.query
    found = call.store.select(
        call.resource.plural,
        call.namespace,
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
    )
    return list(found)


def check_version_reached(store: Store, text: str) -> None:
    """StatusError 504 for a resourceVersion that the store has not reached."""
    if not text:
        return
    if version_number(text) > int(store.resource_version):
        message = f"Timeout: Too large resource version: {text}, current: {store.resource_version}"
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        raise StatusError(504, "Timeout", message, {"causes": causes})


def _page(
    store: Store, objects: list[Object], query: Mapping[str, str]
) -> tuple[list[Object], dict[str, Any]]:
    """The objects of one page and the list's metadata (continue, remainingItemCount)."""
    version = store.resource_version
    if query.get("continue"):
        began, last = read_continue_token(query["continue"])
        version = str(began)
        objects = [obj for obj in objects if _sort_key(obj) > last]
    metadata: dict[str, Any] = {"resourceVersion": version}
    limit = _limit(query.get("limit", ""))
    if not limit or len(objects) <= limit:
        return objects, metadata
    metadata["continue"] = continue_token(int(version), _sort_key(objects[limit - 1]))
    if not query.get("labelSelector") and not query.get("fieldSelector"):
        metadata["remainingItemCount"] = len(objects) - limit
    return objects[:limit], metadata


def _sort_key(obj: Object) -> str:
    metadata = obj["metadata"]
    return f"{metadata.get('namespace', '')}\x01{metadata['name']}"


def _limit(text: str) -> int:
    if text and not text.isdecimal():
        raise bad_request(f'limit must be a number, not "{text}"')
    return int(text or 0)
