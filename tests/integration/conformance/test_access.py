"""Who may do what, as a real API answers: 401, 403, reviews of one's own rights."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conformance.replay import Api, Replay, exchanges, steady

RECORDED = exchanges("access")
_AS_ADMIN = ("who am I", "may I, as an administrator", "service account", "role", "role binding")
_ANONYMOUS, _BAD_TOKEN = "no credentials", "bad token"
_OPERATOR = [what for what in RECORDED if what not in (*_AS_ADMIN, _ANONYMOUS, _BAD_TOKEN)]


@pytest.fixture(scope="module")
def replay(api: Api) -> Iterator[Replay]:
    """A namespace with the service account `operator`, who may get and list pods there."""
    replay = Replay(api, f"access-{uuid.uuid4().hex[:8]}")
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": replay.namespace}})
    for what in ("service account", "role", "role binding"):
        assert replay.send(RECORDED[what]).status == 201
    yield replay
    api.call("DELETE", f"/api/v1/namespaces/{replay.namespace}")


@pytest.fixture(scope="module")
def operator(replay: Replay) -> str:
    """The Authorization header of the service account."""
    path = f"/api/v1/namespaces/{replay.namespace}/serviceaccounts/operator/token"
    answer = replay.api.call("POST", path, {"spec": {"expirationSeconds": 600}})
    assert answer.status == 201, answer.body
    return f"Bearer {answer.body['status']['token']}"


def _compare(replay: Replay, what: str, authorization: str | None) -> tuple[Any, Any]:
    entry = RECORDED[what]
    answer = replay.send(entry, authorization=authorization)
    assert answer.status == entry["response"]["status"], answer.body
    return steady(answer.body), replay.expected(entry)


def test_nobody_is_anonymous_and_may_nothing(replay: Replay) -> None:
    found, expected = _compare(replay, _ANONYMOUS, "")
    assert found == expected


def test_a_bad_token_is_not_anonymous(replay: Replay) -> None:
    found, expected = _compare(replay, _BAD_TOKEN, "Bearer bad")
    assert found == expected


def test_an_administrator_is_asked_for_nothing(replay: Replay) -> None:
    found, expected = _compare(replay, "may I, as an administrator", None)
    assert found == expected


def test_who_am_i_names_user_and_groups(replay: Replay) -> None:
    found, expected = _compare(replay, "who am I", None)
    assert found["status"]["userInfo"]["username"]
    assert "system:authenticated" in found["status"]["userInfo"]["groups"]
    assert {k: found[k] for k in ("kind", "apiVersion")} == {k: expected[k] for k in ("kind", "apiVersion")}


@pytest.mark.parametrize("what", [what for what in _OPERATOR if what != "what may I do"])
def test_a_service_account_is_told_what_it_may_not_do(replay: Replay, operator: str, what: str) -> None:
    found, expected = _compare(replay, what, operator)
    assert found == expected


def test_a_service_account_can_list_its_rights(replay: Replay, operator: str) -> None:
    found, expected = _compare(replay, "what may I do", operator)
    for rule in expected["status"]["resourceRules"]:
        assert rule in found["status"]["resourceRules"]
    paths = {url for rule in found["status"]["nonResourceRules"] for url in rule["nonResourceURLs"]}
    assert {"/healthz", "/version", "/api/*", "/apis/*"} <= paths


def test_everybody_may_ask_for_health_and_version(api: Api) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert api.call("GET", path, authorization="").status == 200
    refused = api.call("GET", "/api", authorization="")
    assert refused.status == 403
    assert refused.body["message"] == 'forbidden: User "system:anonymous" cannot get path "/api"'


def test_a_token_dies_with_its_account(replay: Replay) -> None:
    accounts = f"/api/v1/namespaces/{replay.namespace}/serviceaccounts"
    assert replay.api.call("POST", accounts, {"metadata": {"name": "short-lived"}}).status == 201
    token = replay.api.call("POST", f"{accounts}/short-lived/token", {"spec": {}}).body["status"]["token"]
    header = f"Bearer {token}"
    review = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    assert replay.api.call("POST", review, asked, authorization=header).status == 201
    assert replay.api.call("DELETE", f"{accounts}/short-lived").status == 200
    assert replay.api.call("POST", review, asked, authorization=header).status == 401


def test_rights_can_be_given_by_the_cluster_roles_that_are_shipped(replay: Replay, operator: str) -> None:
    pods = f"/api/v1/namespaces/{replay.namespace}/configmaps"
    assert replay.api.call("GET", pods, authorization=operator).status == 403
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{replay.namespace}/rolebindings"
    body = {
        "metadata": {"name": "viewer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": replay.namespace}],
    }
    assert replay.api.call("POST", bindings, body).status == 201
    assert replay.api.call("GET", pods, authorization=operator).status == 200
    secrets = pods.replace("configmaps", "secrets")
    assert replay.api.call("GET", secrets, authorization=operator).status == 403
    assert replay.api.call("DELETE", f"{bindings}/viewer").status == 200
    assert replay.api.call("GET", pods, authorization=operator).status == 403
