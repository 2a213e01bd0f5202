"""A namespace with pods to replay the node's recordings on: their sockets, their logs, their ends.

The recordings' image is postgres:15; PGNB_CONFORMANCE_IMAGE names the one that the cluster at hand has.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.integration.conformance.replay import RECORDED_NAMESPACE, Answer, Api, steady

IMAGE = os.environ.get("PGNB_CONFORMANCE_IMAGE", "docker.io/library/postgres:17")
RECORDED_IMAGE = "docker.io/library/postgres:15"
RECORDED_POD = "postgres-primary-dcd654f4f-9j5cc"
PATIENCE = 60.0
_SILENCE = 1.0
_CHOSEN = os.environ.get("PGNB_CONFORMANCE_KUBECONFIG", "")


def staged(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage on the chosen cluster, or on the session's rehearsal cluster."""
    path = Path(_CHOSEN) if _CHOSEN else request.getfixturevalue("kubeconfig")
    stage = Stage(Api.from_kubeconfig(path), f"conformance-{uuid.uuid4().hex[:8]}")
    core = "/api/v1/namespaces"
    stage.api.call("POST", core, {"metadata": {"name": stage.namespace}})
    account = f"{core}/{stage.namespace}/serviceaccounts/default"
    stage.until(lambda: stage.api.call("GET", account).status == 200, "a service account")
    creds = {"metadata": {"name": "creds"}, "stringData": {"password": "recorded-example"}}
    stage.api.call("POST", f"{core}/{stage.namespace}/secrets", creds)
    yield stage
    stage.api.call("DELETE", f"{core}/{stage.namespace}")


@dataclass(frozen=True)
class Frame:
    """One frame from the server: its channel and payload; `code` of a close, `silent` when none came."""

    channel: int = -1
    payload: bytes = b""
    code: int = 0
    silent: bool = False


@dataclass(frozen=True)
class Stage:
    """Pods in a namespace, and requests about them."""

    api: Api
    namespace: str

    def path(self, rest: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{rest}"

    def translated(self, value: Any) -> Any:
        """A recorded value in this namespace's and image's words."""
        text = json.dumps(value).replace(RECORDED_NAMESPACE, self.namespace)
        return json.loads(text.replace(RECORDED_IMAGE, IMAGE).replace(RECORDED_POD, "postgres-primary"))

    def create_pod(self, name: str, spec: dict[str, Any]) -> None:
        body = {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
        answer = self.api.call("POST", self.path("pods"), body)
        assert answer.status == 201, answer.body

    def pod(self, name: str) -> dict[str, Any]:
        answer = self.api.call("GET", self.path(f"pods/{name}"))
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events about a pod."""
        answer = self.api.call("GET", self.path(f"events?fieldSelector=involvedObject.name%3D{name}"))
        return list(answer.body["items"])

    def until(self, done: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not done():
            assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain for {what}"
            time.sleep(0.05)

    def until_ready(self, name: str) -> None:
        def ready() -> bool:
            conditions = self.pod(name).get("status", {}).get("conditions", ())
            return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)

        self.until(ready, f"pod {name} Ready")

    # -- sockets -------------------------------------------------------------------------------------------

    def connect(self, path: str, offered: list[str]) -> websocket.WebSocket:
        """A WebSocket; websocket.WebSocketBadStatusException when the server refuses it."""
        return websocket.create_connection(
            f"wss://{self.api.host}:{self.api.port}{path}",
            subprotocols=offered,
            header=[f"Authorization: {self.api.authorization}"] if self.api.authorization else [],
            sslopt={"context": self.api.tls},
            timeout=30,
        )

    def play(self, entry: dict[str, Any]) -> tuple[str, list[Frame]]:
        """Plays a recorded client: the agreed subprotocol, and what the server sent."""
        socket = self.connect(self.translated(entry["path"]), entry["offered"])
        try:
            return socket.getsubprotocol() or "", list(_conversation(socket, entry["frames"]))
        finally:
            socket.shutdown()

    def refused(self, entry: dict[str, Any]) -> Answer:
        """The answer to a recorded socket that is refused."""
        with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
            self.connect(self.translated(entry["path"]), entry["offered"]).shutdown()
        error = refusal.value
        raw = error.resp_body or b""
        body = json.loads(raw) if raw[:1] == b"{" else raw.decode()
        return Answer(error.status_code, dict(error.resp_headers or {}), body)


def _conversation(socket: websocket.WebSocket, recorded: list[dict[str, Any]]) -> Iterator[Frame]:
    """Sends what the client sent, each after as many bytes have come as had come in the recording."""
    due = 0
    came = 0
    for frame in recorded:
        if frame["direction"] == "server" and frame["type"] == "binary":
            due += frame["bytes"] if "bytes" in frame else len(base64.b64decode(frame["base64"]))
        elif frame["direction"] == "client":
            while came < due - _slack(recorded):
                got = _next(socket)
                yield got
                if got.silent or got.code:
                    return
                came += 1 + len(got.payload)
            socket.send_binary(base64.b64decode(frame["base64"]))
    silent = any(frame["type"] == "silence" for frame in recorded)
    socket.settimeout(_SILENCE if silent else 30)
    while True:
        got = _next(socket)
        yield got
        if got.silent or got.code:
            return


def _slack(recorded: list[dict[str, Any]]) -> int:
    """Bytes that texts with paths and identifiers may be shorter by."""
    return 200 if any("error forwarding" in str(frame.get("payload")) for frame in recorded) else 0


def _next(socket: websocket.WebSocket) -> Frame:
    try:
        opcode, data = socket.recv_data()
    except websocket.WebSocketTimeoutException:
        return Frame(silent=True)
    if opcode == websocket.ABNF.OPCODE_CLOSE:
        return Frame(code=int.from_bytes(data[:2], "big"))
    return Frame(data[0], data[1:])


def streams(frames: list[Frame]) -> dict[int, bytes]:
    """All that came on each channel."""
    found: dict[int, bytes] = {}
    for frame in frames:
        if frame.channel >= 0:
            found[frame.channel] = found.get(frame.channel, b"") + frame.payload
    return found


def recorded_frames(entry: dict[str, Any]) -> list[Frame]:
    """What the recorded server sent; the payload of long frames is known by its length only."""
    found = []
    for frame in entry["frames"]:
        if frame["direction"] == "none":
            found.append(Frame(silent=True))
        elif frame["direction"] == "server" and frame["type"] == "close":
            found.append(Frame(code=frame["code"]))
        elif frame["direction"] == "server" and "bytes" in frame:
            found.append(Frame(frame["channel"], b"x" * (frame["bytes"] - 1)))
        elif frame["direction"] == "server":
            raw = base64.b64decode(frame["base64"])
            found.append(Frame(raw[0], raw[1:]))
    return found


def steady_text(text: str) -> str:
    """A message without identifiers and places that are never the same."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "<id>", str(steady(text)))
    text = re.sub(r'network namespace "[^"]*"', 'network namespace "<network>"', text)
    return re.sub(r'(to pod |inside namespace ")(<uid>|<id>)', r"\1<pod>", text)
