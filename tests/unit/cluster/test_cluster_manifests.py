"""Plans of manifests, held against recorded answers of server-side apply."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from replaying import NAMESPACE, Replay, entry

from pgnb.cluster import Cluster
from pgnb.cluster.manifests import merged
from pgnb.cluster.unchanged import content
from pgnb.core.errors import Conflict, ParameterError, Rejected

APPLIED = f"/api/v1/namespaces/{NAMESPACE}/configmaps/applied"
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"x": "2"}}


def live(**data: str) -> dict[str, Any]:
    found = deepcopy(entry("objects", "server-side apply, creates")["response"]["body"])
    found["data"] = data
    return found


def refused_by(manager: str) -> dict[str, Any]:
    text = "server-side apply, another manager, conflict"
    answer = deepcopy(entry("objects", text)["response"]["body"])
    answer["details"]["causes"][0]["message"] = f'conflict with "{manager}" using v1'
    return answer


def test_nothing_to_change(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", APPLIED, 200, live(x="2"))
    replay.answer("PATCH", APPLIED, 200, live(x="2"))
    plan = cluster.plan_apply(MANIFEST, "Configuration")
    assert not plan
    assert plan.apply().changed is False
    assert all("dryRun=All" in path for method, path, _, _ in replay.requests if method == "PATCH")


def test_what_differs_is_shown_and_applied(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", APPLIED, 200, live(x="1"))
    replay.answer("PATCH", APPLIED, 200, live(x="2"))
    plan = cluster.plan_apply(MANIFEST, "Configuration")
    assert "-  x: '1'" in plan.diff
    assert "+  x: '2'" in plan.diff
    assert "managedFields" not in plan.before
    assert plan.undo_text == "restore configmap/applied as it is now"
    plan.apply()
    method, path, _, _ = replay.requests[-1]
    assert (method, "dryRun" in path, "fieldManager=pgnb" in path) == ("PATCH", False, True)
    assert cluster.journal.entries[-1].target == "configmap/applied"


def test_what_is_not_there_is_created_and_its_undo_deletes(replay: Replay, cluster: Cluster) -> None:
    replay.take(entry("objects", "get what is not there") | {"request": {"method": "GET", "path": APPLIED}})
    replay.answer("PATCH", APPLIED, 201, live(x="2"))
    replay.answer("DELETE", APPLIED, 200, {})
    plan = cluster.plan_apply(MANIFEST, "Configuration")
    done = plan.apply()
    assert done.results == (("create by server-side apply", "created"),)
    assert done.undo is not None
    undo = done.undo()
    assert "delete" in str(undo)
    undo.apply()
    assert replay.requests[-1][0] == "DELETE"


def test_a_persons_fields_are_taken_over(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", APPLIED, 200, live(x="1"))
    replay.answer("PATCH", APPLIED, 409, refused_by("kubectl-client-side-apply"))
    replay.answer("PATCH", APPLIED, 200, live(x="2"))
    plan = cluster.plan_apply(MANIFEST, "Configuration")
    assert "Takes over fields: configmap/applied from kubectl-client-side-apply" in plan.note
    assert not plan.confirmations
    plan.apply()
    assert "force=true" in replay.requests[-1][1]


def test_a_controllers_fields_need_its_name(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", APPLIED, 200, live(x="1"))
    replay.answer("PATCH", APPLIED, 409, refused_by("argocd-controller"))
    replay.answer("PATCH", APPLIED, 200, live(x="2"))
    plan = cluster.plan_apply(MANIFEST, "Configuration")
    assert not plan.grant(take_over="").ok
    assert plan.grant(take_over="argocd-controller").ok


def test_a_conflict_without_a_plan_names_the_manager(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", APPLIED, 200, live(x="1"))
    replay.answer("PATCH", APPLIED, 409, refused_by("argocd-controller"))
    with pytest.raises(Conflict) as caught:
        cluster.apply(MANIFEST)
    assert caught.value.found == ".data.x belongs to argocd-controller"


def test_without_the_right_to_patch_a_plan_is_still_made(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", APPLIED, 200, live(x="1", y="kept"))
    denied = entry("access", "forbidden: create a config map")["response"]["body"]
    replay.answer("PATCH", APPLIED, 403, denied)
    plan = cluster.plan_apply(MANIFEST, "Configuration")
    assert "+  x: '2'" in plan.diff
    assert "-  y" not in plan.diff


def test_a_secrets_values_stay_hidden(replay: Replay, cluster: Cluster) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/creds"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds"}}
    replay.answer("GET", path, 200, secret | {"data": {"same": "c2FtZQ==", "password": "b2xk"}})
    replay.answer("PATCH", path, 200, secret | {"data": {"same": "c2FtZQ==", "password": "bmV3"}})
    plan = cluster.plan_apply(secret | {"stringData": {"password": "new", "same": "same"}}, "Secret")
    shown = f"{plan}{plan._repr_html_()}{plan!r}"
    assert "password: (hidden, different)" in shown
    assert not any(value in shown for value in ("b2xk", "bmV3", "c2FtZQ"))


def test_several_documents_of_a_yaml_text(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", APPLIED, 200, live(x="2"))
    replay.answer("PATCH", APPLIED, 200, live(x="2"))
    text = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: applied}\n---\n---\n"
    assert not cluster.plan_apply(text, "Two")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not valid YAML"),
        ("- 1\n", "not an object"),
        ("kind: ConfigMap\n", "lacks apiVersion, kind or metadata.name"),
        (
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a, namespace: other}\n",
            "names another namespace",
        ),
    ],
)
def test_bad_manifests(cluster: Cluster, text: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        cluster.plan_apply(text, "Bad")


def test_what_the_api_server_refuses(replay: Replay, cluster: Cluster) -> None:
    replay.answer("GET", APPLIED, 200, live(x="1"))
    replay.answer(
        "PATCH", APPLIED, 400, entry("objects", "unknown field, strict validation")["response"]["body"]
    )
    with pytest.raises(Rejected, match='unknown field "nope"'):
        cluster.plan_apply(MANIFEST, "Bad")


def test_content_is_what_a_person_wrote() -> None:
    shown = content(entry("workload", "deployment, available")["response"]["body"])
    assert "status" not in shown
    assert not {"uid", "resourceVersion", "generation", "creationTimestamp"} & shown["metadata"].keys()


def test_laying_over_keeps_what_is_not_named() -> None:
    assert merged({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}, "d": 3}) == {"a": {"b": 1, "c": [2]}, "d": 3}
