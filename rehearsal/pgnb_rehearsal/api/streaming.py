"""Watches over HTTP: one JSON event a line until the client leaves or the time is over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from pgnb_rehearsal.api import tables
from pgnb_rehearsal.api.answers import encoded, partial
from pgnb_rehearsal.api.context import Call
from pgnb_rehearsal.api.negotiation import Form, negotiated
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.options import options_error
from pgnb_rehearsal.api.reading import check_version_reached
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import FieldError, StatusError, bad_request, forbidden_value
from pgnb_rehearsal.api.watching import Subscription, version_number

WATCHES = web.AppKey("watches", set[Subscription])
"""The watches that are running, so that the server can end them when it stops."""

_DEFAULT_SECONDS = 1800
BOOKMARK_SECONDS = 60
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


async def end_watches(app: web.Application) -> None:
    """Ends all watches; their clients see the end of the stream, as when a real server stops."""
    running: set[Subscription] = app[WATCHES]
    for subscription in tuple(running):
        subscription.close()


async def watch(call: Call) -> web.StreamResponse:
    """Follows a collection; `resourceVersion`, `timeoutSeconds`, `allowWatchBookmarks`, `sendInitialEvents`,
    selectors and Tables as the real server's."""
    query = call.request.query
    writer = _Writer(call.resource, negotiated(call.accept))
    seconds = _seconds(query)
    initial_end = _wants_initial_end(query)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    try:
        subscription = _subscribed(call, query)
    except StatusError as error:
        if error.code != 410:
            raise
        await response.prepare(call.request)
        await response.write(writer.line("ERROR", error.body()))
        return response
    stream = _Stream(call, response, writer, subscription, _true(query, "allowWatchBookmarks"))
    running = call.request.app[WATCHES]
    running.add(subscription)
    try:
        await response.prepare(call.request)
        await stream.run(seconds, initial_end)
    except ConnectionResetError:
        pass  # the client left, which is how most watches end
    finally:
        running.discard(subscription)
        subscription.close()
    return response


def _true(query: Mapping[str, str], key: str) -> bool:
    return query.get(key, "").lower() in ("1", "true")


def _seconds(query: Mapping[str, str]) -> float:
    """Without a timeout the server chooses one between once and twice its default, as in life."""
    text = query.get("timeoutSeconds", "")
    if text and not text.isdecimal():
        raise bad_request(f'timeoutSeconds must be a number of seconds, not "{text}"')
    return float(text) if text and int(text) else random.uniform(1, 2) * _DEFAULT_SECONDS


def _wants_initial_end(query: Mapping[str, str]) -> bool:
    """True for sendInitialEvents; StatusError 422 unless it comes with its resourceVersionMatch."""
    if not _true(query, "sendInitialEvents"):
        return False
    if query.get("resourceVersionMatch") != "NotOlderThan" or not _true(query, "allowWatchBookmarks"):
        text = "sendInitialEvents requires resourceVersionMatch=NotOlderThan and allowWatchBookmarks=true"
        cause: FieldError = forbidden_value("resourceVersionMatch", text)
        raise options_error("ListOptions", [cause])
    return True


def _subscribed(call: Call, query: Mapping[str, str]) -> Subscription:
    """From nothing or 0: what exists, then what comes. From a version: what came after it."""
    text = query.get("resourceVersion", "")
    version = version_number(text) if text else 0
    initial = query.get("sendInitialEvents", "").lower()
    check_version_reached(call.store, text)
    everything = initial == "true" or (initial != "false" and version == 0)
    since = None if everything else version or int(call.store.resource_version)
    return call.store.watch(
        call.resource.plural,
        call.namespace,
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        since=since,
    )


class _Writer:
    """Events in the form that the client asked for; only a watch's first table has its columns."""

    def __init__(self, resource: Resource, form: Form) -> None:
        self._resource = resource
        self._form = form
        self._headed = True

    def line(self, kind: str, obj: Object) -> bytes:
        """One event as a line."""
        return encoded({"type": kind, "object": obj}) + b"\n"

    def event(self, kind: str, obj: Object) -> bytes:
        """One event of an object as a line."""
        if self._form.kind == "Table":
            metadata = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            shown = tables.table(self._resource, [obj], metadata, headed=self._headed)
            self._headed = False
            return self.line(kind, shown)
        return self.line(kind, partial(obj) if self._form.kind.startswith("Partial") else obj)

    def bookmark(self, version: str, annotations: Mapping[str, str] | None = None) -> bytes:
        """A BOOKMARK that carries nothing but a resourceVersion."""
        metadata: dict[str, Any] = {"resourceVersion": version, "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = dict(annotations)
        head = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return self.line("BOOKMARK", head | {"metadata": metadata})


class _Stream:
    """One running watch."""

    def __init__(
        self,
        call: Call,
        response: web.StreamResponse,
        writer: _Writer,
        subscription: Subscription,
        bookmarks: bool,
    ) -> None:
        self._call = call
        self._response = response
        self._writer = writer
        self._subscription = subscription
        self._bookmarks = bookmarks

    async def run(self, seconds: float, initial_end: bool) -> None:
        """Writes events until the deadline; a bookmark each minute and one before the end."""
        await self._drain()
        if initial_end:
            await self._write(self._writer.bookmark(self._version, _INITIAL_END))
        loop = asyncio.get_running_loop()
        end, bookmark_at = loop.time() + seconds, loop.time() + BOOKMARK_SECONDS
        while loop.time() < end and not self._over:
            await self._next(min(end, bookmark_at) - loop.time())
            if loop.time() < min(end, bookmark_at):
                continue
            bookmark_at = loop.time() + BOOKMARK_SECONDS
            if self._bookmarks:
                await self._write(self._writer.bookmark(self._version))

    @property
    def _over(self) -> bool:
        """The server stops, or the client left without a word."""
        return self._subscription.closed or self._call.request.transport is None

    @property
    def _version(self) -> str:
        return self._call.store.resource_version

    async def _next(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0)):
                event = await anext(self._subscription, None)
        except TimeoutError:
            return
        if event is None:
            return
        await self._write(self._writer.event(event.type, event.object))
        await self._drain()

    async def _drain(self) -> None:
        """What is there already goes out in one piece."""
        lines = []
        while (event := self._subscription.pending()) is not None:
            lines.append(self._writer.event(event.type, event.object))
        if lines:
            await self._write(b"".join(lines))

    async def _write(self, data: bytes) -> None:
        await self._response.write(data)
