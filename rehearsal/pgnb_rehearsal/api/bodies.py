"""The body of a request, as JSON, YAML or protobuf, with the refusals of the real decoder."""

from __future__ import annotations

import json
from typing import Any

import yaml
from aiohttp import web

from pgnb_rehearsal.api.protobuf import MEDIA_TYPE, read_protobuf
from pgnb_rehearsal.api.status import StatusError, bad_request, unsupported_media_type

_SUMMARY = 30
_MESSAGES = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting value", "looking for beginning of value"),
    ("Expecting ',' delimiter", "after object key:value pair"),
    ("Expecting ':' delimiter", "after object key"),
    ("Extra data", "after top-level value"),
)
_MEDIA_TYPES = ("application/json", "application/yaml", MEDIA_TYPE)


def content_type(request: web.Request) -> str:
    """The media type without its parameters; JSON when none is given."""
    return request.headers.get("Content-Type", "application/json").split(";")[0].strip().lower()


async def read_object(request: web.Request, kind: str) -> Any:
    """The object in the body, of a kind to be; StatusError 400, 413, 415."""
    media = content_type(request)
    if media not in _MEDIA_TYPES:
        listed = ", ".join(_MEDIA_TYPES)
        message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
        raise unsupported_media_type(message)
    if media == MEDIA_TYPE:
        return read_protobuf(await _read(request))
    text = await read_text(request)
    if media == "application/yaml":
        return read_yaml(text)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        why = f"couldn't get version/kind; json parse error: {_go_message(error)}"
        message = f"the object provided is unrecognized (must be of type {kind}): {why} ({_summary(text)})"
        raise bad_request(message) from None


async def read_text(request: web.Request) -> str:
    """The body as text; StatusError 413 when it is too large, 400 when it is no UTF-8."""
    try:
        return (await _read(request)).decode()
    except UnicodeDecodeError as error:
        raise bad_request(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        message = "Request entity too large: limit is 3145728"
        raise StatusError(413, "RequestEntityTooLarge", message, {}) from None


def read_json_patch(text: str) -> Any:
    """The JSON of a patch; StatusError 400."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {_go_message(error)}") from None


def read_yaml(text: str) -> Any:
    """The one document in a YAML (or JSON) text; StatusError 400. Dates stay text, as JSON has none."""
    try:
        return yaml.load(text, _PlainLoader)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from None


class _PlainLoader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: what looks like a date is a string."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _go_message(error: json.JSONDecodeError) -> str:
    position = error.pos
    if position >= len(error.doc.rstrip()):
        return "unexpected end of JSON input"
    where = next((text for start, text in _MESSAGES if error.msg.startswith(start)), "in JSON")
    return f"invalid character '{error.doc[position]}' {where}"


def _summary(text: str) -> str:
    """The first bytes, readable when they begin an object, as the real server quotes them."""
    cut = text[:_SUMMARY] + (" ..." if len(text) > _SUMMARY else "")
    if text[:1] == "{":
        return cut
    return text.encode()[:_SUMMARY].hex()
