"""What every handler of a request works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from pgnb_rehearsal.api import rbac
from pgnb_rehearsal.api.access import Credentials, User
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.requests import RequestInfo
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import StatusError, no_such_resource
from pgnb_rehearsal.api.store import Store


class Node(Protocol):
    """What the API server hands on to the node, after it has checked rights and found the pod."""

    async def logs(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """pods/log."""

    async def exec(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """pods/exec, a WebSocket."""

    async def portforward(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """pods/portforward, a WebSocket."""


@dataclass(frozen=True)
class Call:
    """One authenticated request."""

    request: web.Request
    info: RequestInfo
    user: User
    store: Store
    node: Node
    credentials: Credentials

    @property
    def resource(self) -> Resource:
        """The resource of the path; StatusError 404 when the server has none of that name, or not in that
        scope."""
        found = self.info.resource
        if found is None or (self.info.name and found.namespaced and not self.info.namespace):
            raise no_such_resource()
        return found

    @property
    def namespace(self) -> str | None:
        """The namespace of a namespaced resource, None for all or for cluster scope."""
        if not self.resource.namespaced:
            return None
        return self.info.namespace or None

    @property
    def accept(self) -> str:
        """The Accept header."""
        return self.request.headers.get("Accept", "")

    def allow(self, verb: str = "") -> None:
        """Raises StatusError 403 unless the user may do what the request asks (or `verb` in its place)."""
        rbac.require(self.store, self.user, rbac.wish_of(self.info, verb))

    def existing(self) -> Object:
        """The named object itself, not to be changed; StatusError 404."""
        return self.store.peek(self.resource.plural, self.namespace, self.info.name)


def server_error(message: str) -> StatusError:
    """500, worded as the real server words what it did not expect."""
    return StatusError(500, "InternalError", f"Internal error occurred: {message}")
