"""Replays recorded exchanges against a cluster and compares the answers.

A recording speaks of a throw-away cluster: its namespace, uids, versions, addresses and times are put in
relation to those of the cluster at hand, everything else has to be equal.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

RECORDINGS = Path(__file__).parents[2] / "data" / "real-kubernetes"
RECORDED_NAMESPACE = "pgnb-record"
USER_AGENT = "Python/3.13 aiohttp/3.13"
"""What the recorder called itself: the server derives the name of the field manager from it."""

_FOREIGN = ("openshift-service-ca.crt",)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_VOLATILE_KEYS = ("resourceVersion", "continue", "remainingItemCount", "uid")


def recording(name: str) -> list[dict[str, Any]]:
    """The exchanges of one file."""
    loaded: list[dict[str, Any]] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return loaded


def exchanges(name: str) -> dict[str, dict[str, Any]]:
    """The exchanges of one file by what they are about."""
    return {entry["what"]: entry for entry in recording(name) if "request" in entry}


@dataclass(frozen=True)
class Answer:
    """One answer: status code, headers (lower case), the decoded JSON or the text."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Api:
    """A cluster's API, from a kubeconfig with a token or a client certificate."""

    host: str
    port: int
    tls: ssl.SSLContext
    authorization: str = ""

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Api:
        config = yaml.safe_load(path.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        server = urllib.parse.urlsplit(cluster["server"])
        tls = ssl.create_default_context(cadata=_text(cluster, "certificate-authority", path))
        if "client-certificate-data" in user or "client-certificate" in user:
            _load_certificate(tls, user, path)
        token = user.get("token", "")
        return cls(server.hostname or "", server.port or 443, tls, f"Bearer {token}" if token else "")

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        authorization: str | None = None,
        user_agent: str = USER_AGENT,
    ) -> Answer:
        """One request on a connection of its own; a body that is a string goes out as it is."""
        headers = {"Accept": accept, "User-Agent": user_agent}
        credential = self.authorization if authorization is None else authorization
        if credential:
            headers["Authorization"] = credential
        data = None
        if body is not None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            headers["Content-Type"] = content_type
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=30)
        try:
            connection.request(method, path.replace(" ", "%20"), data, headers)
            response = connection.getresponse()
            return _answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def watch(self, path: str, *, until: int = 0) -> Iterator[dict[str, Any]]:
        """The events of a watch until the server ends it, or until there are `until` of them."""
        headers = {"User-Agent": USER_AGENT, "Authorization": self.authorization}
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=30)
        try:
            connection.request("GET", path, None, headers)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            seen = 0
            while line := response.readline():
                yield json.loads(line)
                seen += 1
                if seen == until:
                    return
        finally:
            connection.close()


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _text(entry: dict[str, Any], key: str, path: Path) -> str | None:
    if f"{key}-data" in entry:
        return base64.b64decode(entry[f"{key}-data"]).decode()
    return (path.parent / entry[key]).read_text() if key in entry else None


def _load_certificate(tls: ssl.SSLContext, user: dict[str, Any], path: Path) -> None:
    """ssl reads certificates from files only; they are gone before this returns."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".pem") as together:
        together.write(_text(user, "client-certificate", path) or "")
        together.write("\n" + (_text(user, "client-key", path) or ""))
        together.flush()
        tls.load_cert_chain(together.name)


def _answer(status: int, headers: dict[str, str], raw: bytes) -> Answer:
    lower = {key.lower(): value for key, value in headers.items()}
    text = raw.decode()
    body = json.loads(text) if text and "json" in lower.get("content-type", "") else text
    return Answer(status, lower, body)


@dataclass
class Replay:
    """Sends recorded requests to a cluster, in `namespace` instead of the recorded one.

    What the recorded server made up (uids, versions, generated names) is learned from its answers and the
    cluster's own, and put into the requests that follow.
    """

    api: Api
    namespace: str
    learned: dict[str, str] = field(default_factory=dict)

    def send(self, entry: dict[str, Any], *, authorization: str | None = None) -> Answer:
        """Sends one recorded request and learns from the answer."""
        request = entry["request"]
        answer = self.api.call(
            request["method"],
            self._translated(request["path"]),
            self._translated(request["body"]) if "body" in request else None,
            content_type=request.get("contentType", "application/json"),
            accept=request.get("accept", "application/json"),
            authorization=authorization,
        )
        self._learn(entry["response"]["body"], answer.body)
        return answer

    def _translated(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._translated(key): self._translated(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._translated(item) for item in value]
        if isinstance(value, str):
            return self.learned.get(value, value.replace(RECORDED_NAMESPACE, self.namespace))
        return value

    def _learn(self, recorded: Any, found: Any) -> None:
        """A list has the version of the whole store, which others advance too. Where the recorded store had
        not changed since an object did, both have one version; the object's own is the one that counts."""
        if isinstance(recorded, dict) and isinstance(found, dict):
            for key in recorded.keys() & found.keys():
                if key in ("uid", "resourceVersion") and isinstance(found[key], str):
                    self._learn_word(recorded[key], found[key], of_list="uid" not in recorded)
                self._learn(recorded[key], found[key])

    def _learn_word(self, recorded: str, found: str, *, of_list: bool) -> None:
        if of_list:
            self.learned.setdefault(recorded, found)
        else:
            self.learned[recorded] = found

    def expected(self, entry: dict[str, Any]) -> Any:
        """The recorded answer, in the words of the cluster at hand and without what is never the same."""
        return steady(self._translated(entry["response"]["body"]))


def steady(value: Any, key: str = "") -> Any:
    """A value without what differs from run to run: times, versions, uids, addresses, generated names."""
    if isinstance(value, dict):
        if value.get("generateName"):
            value = {**value, "name": "<generated>"}
        return {name: steady(item, name) for name, item in value.items() if not _is_foreign(item)}
    if isinstance(value, list):
        items = [steady(item, key) for item in value if not _is_foreign(item)]
        return sorted(items, key=_by_manager) if key == "managedFields" else items
    if not isinstance(value, str):
        return value
    if key in _VOLATILE_KEYS:
        return f"<{key}>"
    text = _TIME.sub("<time>", value)
    text = re.sub(r"\b10\.\d+\.\d+\.\d+\b", "<address>", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uid>", text)
    return re.sub(r"current: \d+", "current: <version>", text)


def _by_manager(entry: dict[str, Any]) -> tuple[str, str]:
    """Owners stand in the order of their times, in whole seconds: it depends on when a second ends."""
    return entry["operation"], entry["manager"]


def _is_foreign(item: Any) -> bool:
    return isinstance(item, dict) and (item.get("metadata") or {}).get("name") in _FOREIGN
