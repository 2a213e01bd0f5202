"""Answers: objects, lists, tables and Status objects as HTTP responses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from pgnb_rehearsal.api import tables
from pgnb_rehearsal.api.negotiation import Form
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import StatusError, bad_request, object_details

_META = "meta.k8s.io/v1"


def encoded(body: Any) -> bytes:
    """JSON as the server writes it."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def json_response(
    body: Any, status: int = 200, *, warnings: Iterable[str] = (), content_type: str = "application/json"
) -> web.Response:
    """A body as JSON, with one Warning header for each warning (RFC 7234, as kubectl shows them)."""
    response = web.Response(body=encoded(body), status=status)
    response.headers["Content-Type"] = content_type
    for warning in warnings:
        quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


def refusal(error: StatusError) -> web.Response:
    """A StatusError as its Status object."""
    response = json_response(error.body(), error.code)
    if error.code == 429:
        response.headers["Retry-After"] = "1"
    return response


def object_in_form(resource: Resource, obj: Object, form: Form) -> Object:
    """One object as a client wants to see it."""
    if form.kind == "Table":
        return tables.table(resource, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]})
    if form.kind == "PartialObjectMetadata":
        return partial(obj)
    return obj


def list_in_form(
    resource: Resource, objects: list[Object], metadata: Mapping[str, Any], form: Form
) -> Object:
    """A list as a client wants to see it."""
    if form.kind == "Table":
        return tables.table(resource, objects, metadata)
    if form.kind == "PartialObjectMetadataList":
        head: Object = {"kind": form.kind, "apiVersion": _META, "metadata": dict(metadata)}
        return head | {"items": [partial(obj) for obj in objects]}
    items = [{key: obj[key] for key in obj if key not in ("kind", "apiVersion")} for obj in objects]
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": dict(metadata)}
    return head | {"items": items}


def partial(obj: Object) -> Object:
    """The metadata of an object alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def deleted_status(resource: Resource, obj: Object) -> Object:
    """The Status that answers the DELETE of an object that is gone."""
    details = object_details(resource, obj["metadata"]["name"]) | {"uid": obj["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def continue_token(version: int, start: str) -> str:
    """Where the next page of a list begins."""
    token = {"v": _META, "rv": version, "start": f"{start}\x00"}
    return base64.b64encode(json.dumps(token, separators=(",", ":")).encode()).decode()


def read_continue_token(text: str) -> tuple[int, str]:
    """The resourceVersion and the last name of the page before; StatusError 400."""
    try:
        token = json.loads(base64.b64decode(text))
        return int(token["rv"]), str(token["start"]).rstrip("\x00")
    except (ValueError, KeyError, TypeError):
        raise bad_request("continue key is not valid: illegal base64 data or fields") from None
