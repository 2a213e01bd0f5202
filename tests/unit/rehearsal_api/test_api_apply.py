"""Server-side apply: owners, conflicts, removal."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb_rehearsal.api.apply import applied
from pgnb_rehearsal.api.fields import from_fields_v1, to_fields_v1
from pgnb_rehearsal.api.ownership import entries
from pgnb_rehearsal.api.resources import BY_PLURAL
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store

DEPLOYMENTS = BY_PLURAL["deployments"]
Config = dict[str, Any]


def config(*containers: Config, **spec: Any) -> Config:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": list(containers)}}
    metadata = {"name": "d", "namespace": "default"}
    return {"metadata": metadata, "spec": {"selector": {"matchLabels": labels}, "template": template, **spec}}


def apply(store: Store, wished: Config, manager: str, *, force: bool = False) -> Config:
    live = store.find("deployments", "default", "d")
    merged = applied(DEPLOYMENTS, live, wished, manager, force=force, subresource="")
    if live is None:
        return store.create_owned("deployments", merged)
    return store.update_owned("deployments", merged)


def images(obj: Config) -> dict[str, str]:
    return {c["name"]: c["image"] for c in obj["spec"]["template"]["spec"]["containers"]}


DB = {"name": "db", "image": "postgres:17"}
SIDE = {"name": "side", "image": "exporter:1"}


def test_two_managers_own_containers_of_one_pod(store: Store) -> None:
    apply(store, config(DB, replicas=1), "owner")
    merged = apply(store, config(SIDE), "other")
    assert images(merged) == {"db": "postgres:17", "side": "exporter:1"}
    without = apply(store, config(DB), "owner")
    assert without["spec"]["replicas"] == 1, "what nobody owns any more falls back to its default"
    gone = apply(store, {"metadata": {"name": "d", "namespace": "default"}}, "other")
    assert images(gone) == {"db": "postgres:17"}


def test_a_field_of_another_manager_is_a_conflict(store: Store) -> None:
    apply(store, config(DB), "owner")
    with pytest.raises(StatusError) as refused:
        apply(store, config({"name": "db", "image": "postgres:18"}), "other")
    where = '.spec.template.spec.containers[name="db"].image'
    assert refused.value.message == f'Apply failed with 1 conflict: conflict with "owner": {where}'
    assert refused.value.details == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "owner"', "field": where}]
    }


def test_several_conflicts_are_listed_by_manager(store: Store) -> None:
    apply(store, config(DB, replicas=1), "owner")
    with pytest.raises(StatusError, match="Apply failed with 2 conflicts: conflicts with") as refused:
        apply(store, config({"name": "db", "image": "postgres:18"}, replicas=2), "other")
    assert "\n- .spec.replicas" in refused.value.message


def test_the_same_value_is_shared_not_contested(store: Store) -> None:
    apply(store, config(DB, replicas=2), "owner")
    apply(store, config(DB, replicas=2), "other")
    kept = apply(store, config(DB), "owner")
    assert kept["spec"]["replicas"] == 2, "the other manager still owns it"


def test_force_takes_the_field_away(store: Store) -> None:
    apply(store, config(DB, replicas=1), "owner")
    forced = apply(store, config(DB, replicas=2), "other", force=True)
    owners = {entry.manager: entry.fields for entry in entries(forced)}
    assert ("f:spec", "f:replicas") in owners["other"]
    assert ("f:spec", "f:replicas") not in owners["owner"]


def test_an_update_takes_over_what_it_changes(store: Store) -> None:
    apply(store, config(DB, replicas=1), "owner")
    live = store.get("deployments", "default", "d")
    live["spec"]["replicas"] = 5
    store.update("deployments", live, manager="kubectl-scale")
    with pytest.raises(StatusError, match='conflict with "kubectl-scale" using apps/v1'):
        apply(store, config(DB, replicas=1), "owner")


def test_applying_the_same_again_changes_nothing(store: Store) -> None:
    first = apply(store, config(DB, SIDE), "owner")
    again = apply(store, config(DB, SIDE), "owner")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_field_sets_survive_the_way_to_json_and_back() -> None:
    paths = {
        ("f:data",),
        ("f:data", "f:a"),
        ("f:spec", "f:ports", 'k:{"port":5432,"protocol":"TCP"}'),
        ("f:spec", "f:ports", 'k:{"port":5432,"protocol":"TCP"}', "f:port"),
        ("f:metadata", "f:finalizers", 'v:"x"'),
    }
    assert from_fields_v1(to_fields_v1(paths)) == paths
