"""A server that answers with what a real API server was recorded to answer, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import yaml
from aiohttp import WSMsgType, web

from pgnb.cluster import Cluster, connect
from pgnb.cluster.pods import Pod

RECORDINGS = Path(__file__).parents[2] / "data" / "real-kubernetes"
NAMESPACE = "pgnb-record"
POD = "postgres-primary-dcd654f4f-9j5cc"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def recorded(name: str) -> list[dict[str, Any]]:
    """All entries of one recording."""
    return json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))


def entry(name: str, what: str) -> dict[str, Any]:
    """The first entry of that title."""
    return next(found for found in recorded(name) if found["what"] == what)


class Replay:
    """Answers recorded requests in the order in which they were recorded.

    `requests` keeps what was asked, and `callers` who asked: the token, or the client certificate's common
    name. Whoever is `revoked` is answered 401.
    """

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        self.sockets: list[Mapping[str, Any]] = []
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.callers: list[str] = []
        self.revoked: set[str] = set()
        self.received: list[bytes] = []
        self.url = ""

    def answer(self, method: str, path: str, status: int, body: object, **headers: str) -> None:
        """Answer a request with this; several for one path are given one after the other."""
        response = {"status": status, "body": body, "headers": headers}
        self.answers.setdefault((method, path), []).append(response)

    @contextmanager
    def answering(self, method: str, path: str, status: int, body: object) -> Iterator[None]:
        """Answer a request with this as long as the block lasts, and forget that it was asked for."""
        self.answer(method, path, status, body)
        yield
        del self.answers[method, path]
        self.requests = [asked for asked in self.requests if not asked[1].startswith(path)]

    def take(self, exchange: Mapping[str, Any]) -> None:
        """Answer the request of a recorded exchange as it was answered then; its query does not matter."""
        request, response = exchange["request"], exchange["response"]
        self.answer(request["method"], urlsplit(request["path"]).path, response["status"], response["body"])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        self.callers.append(_caller(request))
        if self.callers[-1] in self.revoked:
            return web.json_response(entry("access", "bad token")["response"]["body"], status=401)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        return self._answered(request)

    def _answered(self, request: web.Request) -> web.Response:
        waiting = self.answers.get((request.method, request.path))
        if not waiting:
            return web.json_response({"message": f"not recorded: {request.path_qs}"}, status=501)
        found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        text = found["body"] if isinstance(found["body"], str) else json.dumps(found["body"])
        return web.Response(status=found["status"], text=text, headers=found.get("headers") or {})

    def _recorded_socket(self, request: web.Request) -> Mapping[str, Any] | None:
        offered = [name.strip() for name in request.headers["Sec-WebSocket-Protocol"].split(",")]
        asked = [value for key, value in parse_qsl(request.query_string) if key in ("command", "ports")]
        for found in self.sockets:
            parts = urlsplit(found["path"])
            wanted = [value for key, value in parse_qsl(parts.query) if key in ("command", "ports")]
            stdin = bool(parse_qs(parts.query).get("stdin")) == bool(request.query.get("stdin"))
            fits = found.get("agreed") in offered or found.get("agreed") is None
            if parts.path == request.path and wanted == asked and fits and stdin:
                return found
        return None

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        found = self._recorded_socket(request)
        if found is None:
            return web.Response(status=403)  # As recorded of a protocol that is not spoken.
        if refused := found.get("refused"):
            body = refused.get("body")
            status = refused["status"]
            return web.json_response(body, status=status) if body else web.Response(status=status)
        socket = web.WebSocketResponse(protocols=[found["agreed"]])
        await socket.prepare(request)
        for frame in found["frames"]:
            await self._play(socket, frame)
        await socket.close()
        return socket

    async def _play(self, socket: web.WebSocketResponse, frame: Mapping[str, Any]) -> None:
        if frame["direction"] == "server" and frame["type"] == "binary":
            await socket.send_bytes(base64.b64decode(frame["base64"]))
        elif frame["direction"] == "client":
            message = await socket.receive()
            assert message.type is WSMsgType.BINARY
            self.received.append(message.data)


def _caller(request: web.Request) -> str:
    certificate = request.get_extra_info("peercert") or {}
    names = dict(pair for part in certificate.get("subject", ()) for pair in part)
    return str(names.get("commonName") or request.headers.get("Authorization", "").removeprefix("Bearer "))


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Replay]:
    """A replaying server, on a port of its own, until the end of the block."""
    state, loop = Replay(), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", state.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        state.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    runner = loop.run_until_complete(start())
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield state
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def replay() -> Iterator[Replay]:
    """The replaying server."""
    with serving() as state:
        yield state


def write_kubeconfig(
    path: Path,
    url: str,
    *,
    namespace: str = NAMESPACE,
    user: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
) -> Path:
    """A kubeconfig with one context, `recorded`; `server` is what its cluster has beside the address."""
    known = user or {"token": "a-token-that-must-not-show"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "recorded",
        "clusters": [{"name": "c", "cluster": {"server": url, **(server or {})}}],
        "users": [{"name": "u", "user": dict(known)}],
        "contexts": [{"name": "recorded", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture
def kubeconfig(replay: Replay, tmp_path: Path) -> Path:
    """A kubeconfig for the replaying server."""
    return write_kubeconfig(tmp_path / "config", replay.url)


@pytest.fixture
def cluster(replay: Replay, kubeconfig: Path) -> Iterator[Cluster]:
    """A cluster that may change things, on the replaying server; no helper pod was left in it."""
    replay.answer("GET", "/version", 200, {"gitVersion": "v1.36.0"})
    replay.take(entry("access", "who am I"))
    with replay.answering("GET", PODS, 200, {"items": []}):
        found = connect(str(kubeconfig), dry_run=False, timeout=5.0)
    yield found
    found.close()


@pytest.fixture
def primary() -> Pod:
    """The recorded primary's pod."""
    return Pod.of(recorded_pod())


def recorded_pod() -> dict[str, Any]:
    """The recorded primary's pod, Ready, as JSON."""
    found: dict[str, Any] = entry("workload", "pod, Ready")["response"]["body"]
    return found


def failing(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A recorded pod that could not start, stay or become ready, with its events."""
    found = entry("failures", f"25 s after its creation: pod {name}")
    return found["object"], found["events"]
