"""Objects as a real API answers them: create, get, list, replace, patches, apply, dry run, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.replay import Replay, exchanges, steady

RECORDED = exchanges("objects")
"""In this order: every exchange stands on those before it."""


@pytest.mark.parametrize("what", RECORDED)
def test_exchange_is_answered_as_by_a_real_server(replay: Replay, what: str) -> None:
    entry = RECORDED[what]
    answer = replay.send(entry)

    assert answer.status == entry["response"]["status"], answer.body
    for header in ("Content-Type", "Warning"):
        assert (
            answer.headers.get(header.lower(), "").split(";")[0]
            == (entry["response"]["headers"].get(header, "").split(";")[0])
        )
    assert _known(steady(answer.body)) == _known(replay.expected(entry))


def _known(body: Any) -> Any:
    """Lists show what else is in the namespace (the cluster's CA, by its controller): compared without."""
    if isinstance(body, dict) and "items" in body:
        names = ("config", "applied")
        items = [item for item in body["items"] if item["metadata"]["name"] in names]
        metadata = {key: value for key, value in body["metadata"].items() if key == "resourceVersion"}
        return {**body, "metadata": metadata, "items": items}
    return body


def test_version_of_a_list_that_others_advanced_is_not_taken_for_an_objects(replay: Replay) -> None:
    path = f"/api/v1/namespaces/{replay.namespace}/configmaps"
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "versions"}}
    answer = replay.api.call("POST", path, made)
    version = answer.body["metadata"]["resourceVersion"]
    alone = Replay(replay.api, replay.namespace)
    recorded = {"metadata": {"uid": "recorded", "resourceVersion": "506"}}
    alone.send(_recorded(f"{path}/versions", recorded))
    replay.api.call("POST", path, {**made, "metadata": {"name": "meanwhile"}})
    alone.send(_recorded(path, {"metadata": {"resourceVersion": "506"}, "items": []}))
    assert alone.learned["506"] == version


def _recorded(path: str, body: Any) -> dict[str, Any]:
    return {"request": {"method": "GET", "path": path}, "response": {"body": body}}


def test_pages_follow_each_other_to_the_end(replay: Replay) -> None:
    path = f"/api/v1/namespaces/{replay.namespace}/configmaps"
    everything = [item["metadata"]["name"] for item in replay.api.call("GET", path).body["items"]]
    names, token = [], ""
    while True:
        page = replay.api.call("GET", f"{path}?limit=1&continue={token}").body
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert names == everything
    assert len(names) >= 2
