"""Watches: order of events, selectors, bookmarks, resumption, and versions that are gone."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conformance.replay import Api, exchanges, recording, steady
from tests.integration.conformance.served import served_api


@pytest.fixture
def path(api: Api) -> Iterator[str]:
    """The ConfigMaps of a new namespace."""
    namespace = f"watch-{uuid.uuid4().hex[:8]}"
    assert api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}}).status == 201
    yield f"/api/v1/namespaces/{namespace}/configmaps"
    api.call("DELETE", f"/api/v1/namespaces/{namespace}")


def _create(api: Api, path: str, name: str, **labels: str) -> dict[str, Any]:
    answer = api.call("POST", path, {"metadata": {"name": name, "labels": labels}, "data": {"a": "1"}})
    assert answer.status == 201, answer.body
    return dict(answer.body)


def _merge(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.call("PATCH", path, body, content_type="application/merge-patch+json")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def _own(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Type and name of the events that are not the cluster's own."""
    named = [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]
    return [entry for entry in named if not entry[1].endswith(".crt")]


def test_starts_with_what_exists_and_goes_on_with_what_comes(api: Api, path: str) -> None:
    _create(api, path, "first")
    later = threading.Timer(0.2, _create, (api, path, "second"))
    later.start()
    events = list(api.watch(f"{path}?watch=true&timeoutSeconds=2&fieldSelector=metadata.name!=none"))
    later.join()
    assert _own(events) == [("ADDED", "first"), ("ADDED", "second")]


def test_resumes_after_a_version_without_repeating(api: Api, path: str) -> None:
    first = _create(api, path, "first")
    _merge(api, f"{path}/first", {"data": {"a": "2"}})
    api.call("DELETE", f"{path}/first")
    version = first["metadata"]["resourceVersion"]
    events = list(api.watch(f"{path}?watch=true&resourceVersion={version}&timeoutSeconds=1"))
    assert _own(events) == [("MODIFIED", "first"), ("DELETED", "first")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[-1] > versions[0], "a deletion has a resourceVersion of its own"


def test_an_object_that_stops_matching_is_deleted_as_it_was(api: Api, path: str) -> None:
    recorded = next(entry for entry in recording("watch") if "stops matching" in entry["what"])
    created = _create(api, path, "config", app="x")
    version = created["metadata"]["resourceVersion"]
    _merge(api, f"{path}/config", {"metadata": {"labels": {"app": "y"}}})
    _merge(api, f"{path}/config", {"metadata": {"labels": {"app": "x"}}})
    watched = f"{path}?watch=true&labelSelector=app%3Dx&resourceVersion={version}&timeoutSeconds=1"
    events = list(api.watch(watched))
    assert [event["type"] for event in events] == [event["type"] for event in recorded["events"]]
    assert [event["object"]["metadata"]["labels"] for event in events] == [{"app": "x"}, {"app": "x"}]


def test_bookmarks_carry_the_version_to_resume_from(api: Api, path: str) -> None:
    created = _create(api, path, "first")
    version = created["metadata"]["resourceVersion"]
    query = f"watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=1"
    bookmarks = [event for event in api.watch(f"{path}?{query}") if event["type"] == "BOOKMARK"]
    for bookmark in bookmarks:
        assert bookmark["object"]["kind"] == "ConfigMap"
        assert int(bookmark["object"]["metadata"]["resourceVersion"]) >= int(version)


def test_initial_events_end_with_a_bookmark(api: Api, path: str) -> None:
    """A storage that cannot (kine, as in the recording) says so with an ERROR event."""
    _create(api, path, "first")
    query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    events = list(api.watch(f"{path}?{query}&timeoutSeconds=1"))
    if events[0]["type"] == "ERROR":
        assert steady(events[0]) == steady(_recorded_error())
        return
    end = next(i for i, event in enumerate(events) if event["type"] == "BOOKMARK")
    assert ("ADDED", "first") in _own(events[:end])
    assert events[end]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def _recorded_error() -> dict[str, Any]:
    event = next(entry for entry in recording("watch") if entry["what"] == "sendInitialEvents")["events"][0]
    return {key: event[key] for key in ("type", "object")}


def test_a_list_gives_the_version_to_watch_from(api: Api, path: str) -> None:
    _create(api, path, "first")
    version = api.call("GET", path).body["metadata"]["resourceVersion"]
    _create(api, path, "second")
    events = list(api.watch(f"{path}?watch=true&resourceVersion={version}&timeoutSeconds=1"))
    assert ("ADDED", "second") in _own(events)
    assert ("ADDED", "first") not in _own(events)


@pytest.mark.parametrize("what", exchanges("watch"))
def test_versions_that_cannot_be_served(api: Api, what: str) -> None:
    entry = exchanges("watch")[what]
    answer = api.call("GET", entry["request"]["path"])
    assert answer.status == entry["response"]["status"]
    assert steady(answer.body) == steady(entry["response"]["body"])


def test_kubectl_watches_tables(api: Api, path: str) -> None:
    _create(api, path, "first")
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    found = api.call("GET", path, accept=accept).body
    assert found["kind"] == "Table"
    assert [column["name"] for column in found["columnDefinitions"]] == ["Name", "Data", "Age"]
    row = next(row for row in found["rows"] if row["cells"][0] == "first")
    assert row["cells"][1] == 1
    assert row["object"]["kind"] == "PartialObjectMetadata"


def test_a_watch_ends_when_its_server_does(tmp_path: Path) -> None:
    with served_api(tmp_path) as kubeconfig:
        events = Api.from_kubeconfig(kubeconfig).watch("/api/v1/namespaces?watch=true")
        assert next(events)["type"] == "ADDED"
    assert [event["object"]["metadata"]["name"] for event in events][-1] == "kube-system"
