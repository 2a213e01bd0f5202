"""The object store: concurrency, deletion, history."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pgnb_rehearsal.api.resources import BY_PLURAL
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.api.watching import Change, Event, History, everything_of


def config(name: str = "a", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"k": "v"}, **more}


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "postgres:17"}]
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": containers, **spec}}


def test_what_comes_out_is_a_copy(store: Store) -> None:
    made = store.create("configmaps", config())
    made["data"]["k"] = "changed outside"
    assert store.get("configmaps", "default", "a")["data"] == {"k": "v"}


def test_an_old_version_cannot_overwrite_a_new_one(store: Store) -> None:
    old = store.create("configmaps", config())
    store.modify("configmaps", "default", "a", lambda obj: obj["data"].update(k="w"))
    with pytest.raises(StatusError) as refused:
        store.update("configmaps", old)
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")


def test_an_update_that_changes_nothing_has_no_version_and_no_event(store: Store) -> None:
    made = store.create("configmaps", config(), manager="one")
    follower = store.subscribe("configmaps")
    assert follower.pending() is not None
    same = store.update("configmaps", made, manager="one")
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert follower.pending() is None


def test_generation_counts_changes_of_the_spec_alone(store: Store) -> None:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    store.create("deployments", {"metadata": {"name": "d", "namespace": "default"}, "spec": spec})

    def generation_after(change: Any, subresource: str = "") -> int:
        changed = store.modify("deployments", "default", "d", change, subresource=subresource)
        return int(changed["metadata"]["generation"])

    assert generation_after(lambda obj: obj["metadata"].update(labels={"a": "b"})) == 1
    assert generation_after(lambda obj: obj["spec"].update(replicas=2)) == 2
    assert generation_after(lambda obj: obj["status"].update(replicas=1), "status") == 2


def test_a_status_update_changes_nothing_but_the_status(store: Store) -> None:
    store.create("pods", pod())
    changed = store.get("pods", "default", "p")
    changed["spec"]["containers"][0]["image"] = "other"
    changed["status"] = {"phase": "Running"}
    after = store.update("pods", changed, subresource="status")
    assert after["spec"]["containers"][0]["image"] == "postgres:17"
    assert after["status"]["phase"] == "Running"


def test_a_pod_on_a_node_is_ended_by_the_kubelet(store: Store) -> None:
    store.create("pods", pod(nodeName="n", terminationGracePeriodSeconds=5))
    dying = store.delete("pods", "default", "p")
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 5
    longer = store.delete("pods", "default", "p", grace=60)
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 5, "a period can only become shorter"
    shorter = store.delete("pods", "default", "p", grace=1)
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 1
    store.remove("pods", "default", "p", uid="another one's")
    assert store.find("pods", "default", "p") is not None
    store.remove("pods", "default", "p", uid=dying["metadata"]["uid"])
    assert store.find("pods", "default", "p") is None


@pytest.mark.parametrize("grace", [0, None])
def test_a_pod_without_a_node_is_gone_at_once(store: Store, grace: int | None) -> None:
    store.create("pods", pod())
    store.delete("pods", "default", "p", grace=grace)
    assert store.find("pods", "default", "p") is None


def test_finalizers_are_waited_for(store: Store) -> None:
    made = config()
    made["metadata"]["finalizers"] = ["example.com/one"]
    store.create("configmaps", made)
    store.delete("configmaps", "default", "a")
    held = store.get("configmaps", "default", "a")
    assert "deletionTimestamp" in held["metadata"]
    with pytest.raises(StatusError, match="no new finalizers can be added"):
        store.modify("configmaps", "default", "a", lambda obj: obj["metadata"]["finalizers"].append("x.y/z"))
    store.modify("configmaps", "default", "a", lambda obj: obj["metadata"].pop("finalizers"))
    assert store.find("configmaps", "default", "a") is None


@pytest.mark.parametrize(
    ("propagation", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
def test_propagation_becomes_a_finalizer(store: Store, propagation: str, finalizer: str) -> None:
    store.create("configmaps", config())
    held = store.delete("configmaps", "default", "a", propagation=propagation)
    assert held["metadata"]["finalizers"] == [finalizer]


def test_a_namespace_ends_when_its_last_finalizer_goes(store: Store) -> None:
    store.create("namespaces", {"metadata": {"name": "n"}})
    ending = store.delete("namespaces", None, "n")
    assert ending["status"]["phase"] == "Terminating"
    with pytest.raises(StatusError, match="because it is being terminated") as refused:
        store.create("configmaps", {"metadata": {"name": "late", "namespace": "n"}})
    assert refused.value.code == 403
    store.remove("namespaces", None, "n")
    assert store.find("namespaces", None, "n") is None


def test_a_dry_run_leaves_no_trace(store: Store) -> None:
    before = store.resource_version
    shown = store.create("configmaps", config(), dry_run=True)
    assert "resourceVersion" not in shown["metadata"]
    assert (store.resource_version, store.find("configmaps", "default", "a")) == (before, None)


def test_a_forgotten_version_is_answered_with_410() -> None:
    history = History(length=2)
    wanted = everything_of(("pods",))
    for version in range(1, 5):
        history.record(Change("pods", version, Event("ADDED", {"metadata": {"name": str(version)}}, None)))
    assert [event.object["metadata"]["name"] for event in history.since(2, wanted)] == ["3", "4"]
    with pytest.raises(StatusError, match=r"too old resource version: 1 \(2\)") as refused:
        history.since(1, wanted)
    assert (refused.value.code, refused.value.reason) == (410, "Expired")


def test_whoever_waits_for_events_is_released_by_close(store: Store) -> None:
    async def follow() -> list[str]:
        subscription = store.subscribe("configmaps")
        asyncio.get_running_loop().call_later(0.01, store.create, "configmaps", config())
        found = []
        async for event in subscription:
            found.append(event.type)
            asyncio.get_running_loop().call_soon(subscription.close)
        return found

    assert asyncio.run(follow()) == ["ADDED"]


def test_every_resource_can_be_found_by_its_plural() -> None:
    assert len({resource.kind for resource in BY_PLURAL.values()}) == len(BY_PLURAL)


def test_a_follower_that_is_too_slow_is_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgnb_rehearsal.api.watching.LONGEST_QUEUE", 2)
    follower = store.subscribe("configmaps")
    for name in ("a", "b", "c"):
        assert not follower.closed
        store.create("configmaps", config(name))
    assert follower.closed
