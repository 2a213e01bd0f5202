"""JSON, merge and strategic merge patches."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb_rehearsal.api.objects import copied
from pgnb_rehearsal.api.patch import json_patch, merge_patch
from pgnb_rehearsal.api.resources import BY_PLURAL
from pgnb_rehearsal.api.schema import schema_of
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.strategic import strategic_merge

DOCUMENT = {"a": {"b": [1, 2]}, "x/y": 1, "m~n": 2}


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/a/b/1", "value": 9}], {**DOCUMENT, "a": {"b": [1, 9, 2]}}),
        ([{"op": "add", "path": "/a/b/-", "value": 9}], {**DOCUMENT, "a": {"b": [1, 2, 9]}}),
        ([{"op": "replace", "path": "/a/b/0", "value": 9}], {**DOCUMENT, "a": {"b": [9, 2]}}),
        ([{"op": "remove", "path": "/x~1y"}], {"a": {"b": [1, 2]}, "m~n": 2}),
        ([{"op": "move", "from": "/m~0n", "path": "/c"}], {"a": {"b": [1, 2]}, "x/y": 1, "c": 2}),
        ([{"op": "copy", "from": "/a/b", "path": "/c"}], {**DOCUMENT, "c": [1, 2]}),
        ([{"op": "test", "path": "/a/b", "value": [1, 2]}], DOCUMENT),
        ([{"op": "replace", "path": "", "value": 1}], 1),
    ],
)
def test_json_patch(operations: list[dict[str, Any]], result: Any) -> None:
    before = copied(DOCUMENT)
    assert json_patch(DOCUMENT, operations) == result
    assert before == DOCUMENT, "the target is not changed"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/a/c", "value": 1},
        {"op": "add", "path": "/a/b/9", "value": 1},
        {"op": "add", "path": "/nope/c", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "remove", "path": ""},
        {"op": "bend", "path": "/a"},
    ],
)
def test_a_json_patch_that_fails_changes_nothing(operation: dict[str, Any]) -> None:
    with pytest.raises(StatusError) as refused:
        json_patch(DOCUMENT, [operation])
    assert refused.value.code == 422


def test_merge_patch_removes_by_null_and_replaces_lists() -> None:
    assert merge_patch({"a": 1, "b": {"c": 1, "d": [1]}}, {"a": None, "b": {"d": [2]}}) == {
        "b": {"c": 1, "d": [2]}
    }


def deployment(**spec: Any) -> dict[str, Any]:
    containers = [
        {"name": "db", "image": "i", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"name": "side", "image": "s"},
    ]
    return {"spec": {"template": {"spec": {"containers": containers, **spec}}}}


def strategic(target: Any, patch: Any) -> Any:
    return strategic_merge(schema_of(BY_PLURAL["deployments"]), target, patch)


def containers_of(obj: dict[str, Any]) -> list[dict[str, Any]]:
    return list(obj["spec"]["template"]["spec"]["containers"])


def patch_of(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers), **more}}}}


def test_lists_merge_by_their_key() -> None:
    changed = strategic(deployment(), patch_of({"name": "db", "env": [{"name": "B", "value": "3"}]}))
    db, side = containers_of(changed)
    assert db["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]
    assert (db["image"], side["name"]) == ("i", "side")


def test_an_entry_is_deleted_by_directive() -> None:
    changed = strategic(deployment(), patch_of({"name": "side", "$patch": "delete"}))
    assert [container["name"] for container in containers_of(changed)] == ["db"]


def test_a_list_is_replaced_by_directive() -> None:
    changed = strategic(deployment(), patch_of({"$patch": "replace"}, {"name": "only"}))
    assert containers_of(changed) == [{"name": "only"}]


def test_the_wished_order_is_kept() -> None:
    order = {"$setElementOrder/containers": [{"name": "side"}, {"name": "db"}]}
    changed = strategic(deployment(), patch_of({"name": "side", "image": "t"}, **order))
    assert [container["name"] for container in containers_of(changed)] == ["side", "db"]


def test_lists_without_a_key_are_replaced() -> None:
    patch = patch_of({"name": "db", "command": ["b"]})
    target = strategic(deployment(), patch_of({"name": "db", "command": ["a", "c"]}))
    assert containers_of(strategic(target, patch))[0]["command"] == ["b"]


def test_retain_keys_drops_the_others() -> None:
    target = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic(target, patch) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_primitives_are_deleted_from_a_merged_list() -> None:
    target = {"metadata": {"finalizers": ["a", "b"]}}
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}
    assert strategic(target, patch) == {"metadata": {"finalizers": ["b", "c"]}}


def test_an_entry_without_its_key_is_refused() -> None:
    with pytest.raises(StatusError, match="does not contain declared merge key: name"):
        strategic(deployment(), patch_of({"image": "i"}))
