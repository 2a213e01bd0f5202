"""A small client of the rehearsal's own API server: what starting and filling a cluster needs, no more."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import by_kind
from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.kubeconfig import Access

MANAGER = "pgnb-rehearsal"


class Client:
    """One connection to the API server, as its administrator."""

    def __init__(self, access: Access, *, timeout: float = 60.0) -> None:
        context = ssl.create_default_context(cadata=access.ca)
        parts = urlsplit(access.server)
        assert parts.hostname is not None
        self._connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, context=context, timeout=timeout
        )
        self._authorization = f"Bearer {access.token}"

    def close(self) -> None:
        self._connection.close()

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """Status code and JSON (or text) of one exchange; OSError or HTTPException when there is none.

        Whatever broke off, the next exchange has a new connection.
        """
        headers = {"Authorization": self._authorization, "Accept": "application/json"}
        payload = None
        if body is not None:
            headers["Content-Type"] = content_type
            payload = json.dumps(body)
        try:
            self._connection.request(method, path, payload, headers)
            response = self._connection.getresponse()
            text = response.read().decode()
        except BaseException:
            self._connection.close()
            raise
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(text) if is_json else text

    def get(self, path: str) -> Any:
        return self._checked("GET", path)

    def find(self, path: str) -> Object | None:
        """The object at `path`, or None when it is not there."""
        status, answer = self.request("GET", path)
        if status == 404:
            return None
        found: Object = _good("GET", path, status, answer)
        return found

    def create(self, path: str, obj: Object) -> Any:
        return self._checked("POST", path, obj)

    def apply(self, obj: Object) -> Any:
        """Server-side apply of an object, taking over fields that others own."""
        path = f"{object_path(obj)}?fieldManager={MANAGER}&force=true"
        return self._checked("PATCH", path, obj, content_type="application/apply-patch+yaml")

    def _checked(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> Any:
        return _good(method, path, *self.request(method, path, body, content_type=content_type))


def object_path(obj: Object) -> str:
    """The path of an object of a kind that the server knows."""
    resource = by_kind(obj["apiVersion"], obj["kind"])
    if resource is None:
        raise RehearsalError("The rehearsal cluster does not serve that kind.", found=str(obj["kind"]))
    metadata = obj["metadata"]
    inside = f"/namespaces/{metadata['namespace']}" if resource.namespaced else ""
    return f"{resource.prefix}{inside}/{resource.plural}/{metadata['name']}"


def _good(method: str, path: str, status: int, answer: Any) -> Any:
    if status < 300:
        return answer
    message = answer.get("message", "") if isinstance(answer, dict) else str(answer)
    raise RehearsalError(f"The rehearsal's API server refused {method} {path}.", found=f"{status}: {message}")
