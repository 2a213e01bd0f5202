"""The HTTP side of the API server: who asks, for what, and which handler answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from pgnb_rehearsal.api import discovery, openapi, reading, reviews, streaming, subresources, writing
from pgnb_rehearsal.api.access import Credentials
from pgnb_rehearsal.api.answers import json_response, refusal
from pgnb_rehearsal.api.bodies import read_object
from pgnb_rehearsal.api.bootstrap import bootstrap
from pgnb_rehearsal.api.context import Call, Node, server_error
from pgnb_rehearsal.api.impersonation import effective_user
from pgnb_rehearsal.api.negotiation import accepts_aggregated
from pgnb_rehearsal.api.patching import patch
from pgnb_rehearsal.api.requests import parse_request
from pgnb_rehearsal.api.status import StatusError, method_not_allowed, no_such_resource
from pgnb_rehearsal.api.store import Store

_log = logging.getLogger(__name__)

_BODY_LIMIT = 3 * 1024 * 1024
_TEXT = "text/plain; charset=utf-8"
_HEALTH = ("/healthz", "/livez", "/readyz")
_POD_STREAMS = ("log", "exec", "portforward")

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

_COLLECTION: dict[str, Handler] = {
    "create": writing.create,
    "deletecollection": writing.delete_collection,
    "list": reading.list_objects,
    "watch": streaming.watch,
}
_OBJECT: dict[str, Handler] = {
    "delete": writing.delete,
    "get": reading.get,
    "patch": patch,
    "update": writing.replace,
}
_STATUS: dict[str, Handler] = {"get": reading.get, "patch": patch, "update": writing.replace}


def build_app(store: Store, node: Node, credentials: Credentials) -> web.Application:
    """The API server as an aiohttp application.

    `node` carries out pods/log, pods/exec and pods/portforward. The first namespaces and the cluster roles
    that Kubernetes ships are created when they are missing.
    """
    bootstrap(store)
    server = _Server(store, node, credentials)
    app = web.Application(client_max_size=_BODY_LIMIT)
    app[streaming.WATCHES] = set()
    app.on_shutdown.append(streaming.end_watches)
    app.router.add_route("*", "/{path:.*}", server.handle)
    return app


class _Server:
    """Answers each request; whatever is refused becomes a Status object."""

    def __init__(self, store: Store, node: Node, credentials: Credentials) -> None:
        self._store = store
        self._node = node
        self._credentials = credentials

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Authenticates, authorises, dispatches."""
        try:
            return await self._answer(request)
        except StatusError as error:
            return refusal(error)
        except ConnectionResetError:
            raise  # the client left
        except Exception as error:
            _log.exception("%s %s", request.method, request.path)
            return refusal(server_error(f"{type(error).__name__}: {error}"))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        info = parse_request(request.method, request.path, request.query)
        asking = self._credentials.authenticate(self._store, request.headers.get("Authorization", ""))
        user = effective_user(self._store, asking, request)
        call = Call(request, info, user, self._store, self._node, self._credentials)
        call.allow()
        if info.is_resource:
            return await _resource(call)
        return _path(call)


async def _resource(call: Call) -> web.StreamResponse:
    info = call.info
    api_version = f"{info.group}/{info.version}" if info.group else info.version
    if (api_version, info.plural) in reviews.KINDS:
        return await _review(call, api_version)
    if api_version not in discovery.group_versions():
        return _not_found_text()
    return await _handler(call)(call)


def _handler(call: Call) -> Handler:
    info, resource = call.info, call.resource
    if info.subresource:
        if info.subresource not in resource.subresources:
            raise no_such_resource()
        return _subresource_handler(call)
    named = info.name and info.verb not in ("list", "watch", "deletecollection")
    found = (_OBJECT if named else _COLLECTION).get(info.verb)
    if found is None or info.verb not in discovery.verbs_of(resource):
        raise method_not_allowed()
    if info.verb == "create" and resource.namespaced and not info.namespace:
        raise method_not_allowed()
    return found


def _subresource_handler(call: Call) -> Handler:
    name, verb = call.info.subresource, call.info.verb
    if name in _POD_STREAMS:
        return subresources.pod_stream
    if verb not in discovery.SUBRESOURCES[name].verbs:
        raise method_not_allowed()
    if name in ("scale", "token"):
        return {"scale": subresources.scale, "token": subresources.token}[name]
    return _STATUS[verb]


async def _review(call: Call, api_version: str) -> web.StreamResponse:
    if call.info.verb != "create":
        raise method_not_allowed()
    kind = reviews.KINDS[api_version, call.info.plural]
    body = await read_object(call.request, kind)
    given = body if isinstance(body, dict) else {}
    return json_response(reviews.answer(call.store, call.user, api_version, call.info.plural, given), 201)


def _path(call: Call) -> web.StreamResponse:
    """What is no resource: health, version, discovery, the types."""
    path = call.info.path.rstrip("/") or "/"
    if path in _HEALTH:
        return web.Response(body=b"ok", headers={"Content-Type": _TEXT})
    if path == "/version":
        return json_response(discovery.version_info())
    if path in ("/api", "/apis") and accepts_aggregated(call.accept):
        return json_response(discovery.aggregated(path == "/api"), content_type=discovery.AGGREGATED)
    body = _discovered(call, path)
    return _not_found_text() if body is None else json_response(body)


def _discovered(call: Call, path: str) -> dict[str, Any] | None:
    if path == "/":
        return {"paths": ["/api", "/apis", *_HEALTH, "/openapi/v3", "/version"]}
    if path == "/api":
        return discovery.api_versions(call.request.host)
    if path == "/apis":
        return discovery.group_list()
    if path == "/openapi/v3":
        return openapi.index()
    if path.startswith("/openapi/v3/"):
        return openapi.find(path.removeprefix("/openapi/v3/"))
    head, _, rest = path[1:].partition("/")
    if head == "apis" and "/" not in rest:
        return discovery.api_group(rest)
    return discovery.resource_list(rest) if (head == "api") == ("/" not in rest) else None


def _not_found_text() -> web.Response:
    return web.Response(status=404, body=b"404 page not found\n", headers={"Content-Type": _TEXT})
