"""Requests that the recordings do not have: odd methods, bodies, options, and ways to end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from pgnb_rehearsal.api.access import Credentials
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.server import build_app
from pgnb_rehearsal.api.store import Store

TOKEN = "administrator"
BASE = "/api/v1/namespaces/default"
SCALE = "/apis/apps/v1/namespaces/default/deployments/web/scale"
JSON = {"headers": {"Content-Type": "application/json"}}
MERGE = "application/merge-patch+json"

Client = TestClient[web.Request, web.Application]
Steps = Callable[[Client], Awaitable[Any]]


class Breaking:
    """A node that fails in a way that nobody foresaw."""

    async def logs(self, request: web.Request, pod: Object) -> web.StreamResponse:
        raise RuntimeError("the disk is gone")

    exec = logs
    portforward = logs


def on_server(steps: Steps, store: Store | None = None) -> Any:
    """Runs the steps against a server of their own, which has the Deployment `web` and the pod `p`."""

    async def run() -> Any:
        served = store or Store()
        app = build_app(served, Breaking(), Credentials(TOKEN))
        labels = {"app": "web"}
        spec = {"containers": [{"name": "m", "image": "i"}]}
        template = {"metadata": {"labels": labels}, "spec": spec}
        served.create("pods", {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
        deployment = {"selector": {"matchLabels": labels}, "template": template}
        served.create(
            "deployments", {"metadata": {"name": "web", "namespace": "default"}, "spec": deployment}
        )
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with TestClient(TestServer(app), headers=headers) as client:
            return await steps(client)

    return asyncio.run(run())


REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    (
        "POST",
        f"{BASE}/configmaps",
        {"data": "[1", **JSON},
        400,
        "json parse error: unexpected end of JSON input",
    ),
    ("POST", f"{BASE}/configmaps", {"data": b"\xff", **JSON}, 400, "the body is not UTF-8"),
    ("POST", f"{BASE}/configmaps", {"data": "x" * 3_200_000, **JSON}, 413, "Request entity too large"),
    (
        "POST",
        f"{BASE}/configmaps",
        {"data": "{}", "headers": {"Content-Type": "text/csv"}},
        415,
        "unknown format",
    ),
    (
        "POST",
        f"{BASE}/configmaps",
        {"json": {"metadata": {"name": "a", "namespace": "b"}}},
        400,
        "does not match",
    ),
    ("POST", f"{BASE}/configmaps?dryRun=Some", {"json": {}}, 422, 'supported values: "All"'),
    ("POST", "/api/v1/configmaps", {"json": {"metadata": {"name": "a"}}}, 405, "does not allow this method"),
    ("DELETE", "/api/v1/namespaces", {}, 405, "does not allow this method"),
    ("POST", f"{BASE}/pods/p/log", {}, 405, "does not allow this method"),
    ("GET", f"{BASE}/pods/p/attach", {}, 404, "could not find the requested resource"),
    ("GET", "/api/v1/configmaps/a", {}, 404, "could not find the requested resource"),
    ("GET", f"{BASE}/pods/p/log", {}, 500, "Internal error occurred: RuntimeError: the disk is gone"),
    ("GET", f"{BASE}/configmaps?limit=all", {}, 400, "limit must be a number"),
    ("GET", f"{BASE}/configmaps?continue=nonsense", {}, 400, "continue key is not valid"),
    ("GET", f"{BASE}/configmaps?watch=1&timeoutSeconds=soon", {}, 400, "timeoutSeconds must be a number"),
    ("GET", f"{BASE}/configmaps?watch=1&sendInitialEvents=true", {}, 422, "requires resourceVersionMatch"),
    ("GET", f"{BASE}/pods", {"headers": {"Accept": "text/html"}}, 406, "only the following media types"),
    ("GET", f"{BASE}/pods", {"headers": {"Impersonate-Group": "g"}}, 400, "without Impersonate-User"),
    (
        "GET",
        f"{BASE}/pods",
        {"headers": {"Impersonate-User": "ann"}},
        403,
        'User "ann" cannot list resource "pods"',
    ),
    ("PUT", SCALE, {"json": {"spec": {"replicas": -1}}}, 422, "must be greater than or equal to 0"),
    ("PUT", SCALE, {"json": {"spec": {"replicas": "2"}}}, 400, "must be int32"),
    ("PUT", SCALE, {"json": {"metadata": {"resourceVersion": "1"}}}, 409, "the object has been modified"),
    (
        "PATCH",
        f"{BASE}/pods/p",
        {"data": "[]", "headers": {"Content-Type": MERGE}},
        400,
        "error decoding patch",
    ),
    (
        "PATCH",
        f"{BASE}/pods/p",
        {"data": '{"metadata":{"name":"q"}}', "headers": {"Content-Type": MERGE}},
        422,
        "metadata.name: Invalid value",
    ),
    (
        "DELETE",
        f"{BASE}/pods/p",
        {"json": {"propagationPolicy": "Later"}},
        400,
        "use Foreground, Background or",
    ),
    ("PUT", f"{BASE}/pods/p", {"json": {"metadata": {"uid": "other"}}}, 409, "Precondition failed: UID"),
]


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "text"),
    REFUSED,
    ids=[f"{case[0]}-{case[4][:36]}" for case in REFUSED],
)
def test_what_cannot_be_done_is_a_status(
    method: str, path: str, more: dict[str, Any], status: int, text: str
) -> None:
    async def ask(client: Client) -> tuple[int, Any]:
        response = await client.request(method, path, **more)
        return response.status, await response.json()

    found, body = on_server(ask)
    assert (found, body["kind"], body["status"], body["code"]) == (status, "Status", "Failure", status)
    assert text in body["message"]


def test_a_collection_is_deleted_by_selector() -> None:
    async def steps(client: Client) -> list[list[str]]:
        for name, app in (("a", "x"), ("b", "y"), ("c", "x")):
            body = {"metadata": {"name": name, "labels": {"app": app}}}
            await client.post(f"{BASE}/configmaps", json=body)
        gone = await (await client.delete(f"{BASE}/configmaps?labelSelector=app%3Dx")).json()
        left = await (await client.get(f"{BASE}/configmaps")).json()
        return [[item["metadata"]["name"] for item in body["items"]] for body in (gone, left)]

    assert on_server(steps) == [["a", "c"], ["b"]]


def test_a_watch_of_a_forgotten_version_ends_with_an_error_event() -> None:
    async def steps(client: Client) -> tuple[int, Any]:
        response = await client.get(f"{BASE}/pods?watch=1&resourceVersion=1")
        return response.status, json.loads(await response.text())

    status, event = on_server(steps, Store(history_length=2))
    assert status == 200
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


def test_a_watch_ends_after_its_seconds_with_a_bookmark() -> None:
    async def steps(client: Client) -> list[Any]:
        query = "watch=1&resourceVersion=0&timeoutSeconds=1&allowWatchBookmarks=true"
        text = await (await client.get(f"{BASE}/pods?{query}")).text()
        return [json.loads(line) for line in text.splitlines()]

    events = on_server(steps)
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    version = events[0]["object"]["metadata"]["resourceVersion"]
    assert int(events[1]["object"]["metadata"]["resourceVersion"]) >= int(version)


def test_metadata_alone_can_be_asked_for() -> None:
    async def steps(client: Client) -> Any:
        accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
        return await (await client.get(f"{BASE}/pods", headers={"Accept": accept})).json()

    body = on_server(steps)
    assert body["kind"] == "PartialObjectMetadataList"
    assert body["items"][0].keys() == {"kind", "apiVersion", "metadata"}


def test_a_status_is_patched_apart_from_the_rest() -> None:
    async def steps(client: Client) -> Any:
        body = json.dumps({"status": {"phase": "Running"}, "metadata": {"labels": {"a": "b"}}})
        headers = {"Content-Type": MERGE}
        await client.patch(f"{BASE}/pods/p/status", data=body, headers=headers)
        return await (await client.get(f"{BASE}/pods/p")).json()

    pod = on_server(steps)
    assert pod["status"]["phase"] == "Running"
    assert "labels" not in pod["metadata"]
    assert [entry["subresource"] for entry in pod["metadata"]["managedFields"]] == ["status"]


def test_a_namespace_is_finalized_by_its_subresource() -> None:
    async def steps(client: Client) -> tuple[str, int]:
        await client.post("/api/v1/namespaces", json={"metadata": {"name": "n"}})
        ending = await (await client.delete("/api/v1/namespaces/n")).json()
        ending["spec"] = {}
        await client.put("/api/v1/namespaces/n/finalize", json=ending)
        return ending["status"]["phase"], (await client.get("/api/v1/namespaces/n")).status

    assert on_server(steps) == ("Terminating", 404)
