"""What a recorded refusal becomes."""

from __future__ import annotations

import pytest
from replaying import entry

from pgnb.cluster.api_errors import grant_remedy, refusal
from pgnb.core.errors import AccessDenied, ApiUnreachable, ClusterError, Conflict, NotFound, Rejected


def answered(name: str, what: str) -> ClusterError:
    response = entry(name, what)["response"]
    return refusal(response["status"], response["body"], "GET /x")


@pytest.mark.parametrize(
    ("name", "what", "kind"),
    [
        ("access", "no credentials", AccessDenied),
        ("access", "bad token", AccessDenied),
        ("access", "forbidden: exec", AccessDenied),
        ("objects", "get what is not there", NotFound),
        ("objects", "create again", Conflict),
        ("objects", "replace with an old resourceVersion", Conflict),
        ("objects", "bad JSON", Rejected),
        ("objects", "JSON patch whose test fails", Rejected),
        ("objects", "patch of an unknown media type", Rejected),
        ("objects", "method not allowed", Rejected),
        ("objects", "deployment without containers", Rejected),
    ],
)
def test_kind_of_error(name: str, what: str, kind: type[ClusterError]) -> None:
    error = answered(name, what)
    assert type(error) is kind
    assert error.message.endswith(entry(name, what)["response"]["body"]["message"])


def test_a_missing_right_is_named_with_what_gives_it() -> None:
    error = answered("access", "forbidden: get a secret")
    assert 'resources: ["secrets"], verbs: ["get"]' in error.remedy
    assert "kubectl auth can-i get secrets -n pgnb-record" in error.remedy
    assert "system:serviceaccount:pgnb-record:operator" in error.remedy


def test_a_right_for_the_whole_cluster_names_no_namespace() -> None:
    assert "for the whole cluster" in answered("access", "forbidden: list nodes").remedy
    assert " -n " not in answered("access", "forbidden: list nodes").remedy


def test_a_right_in_a_group_names_the_group() -> None:
    remedy = grant_remedy("patch", "deployments", "apps", "db")
    assert 'apiGroups: ["apps"]' in remedy
    assert "can-i patch deployments.apps -n db" in remedy


def test_an_expired_token_says_log_in_again() -> None:
    assert "log in again" in answered("access", "bad token").remedy


def test_a_conflict_of_managers_names_field_and_manager() -> None:
    error = answered("objects", "server-side apply, another manager, conflict")
    assert error.found == ".data.x belongs to pgnb"
    assert "pgnb" in error.remedy


def test_a_quota_is_no_matter_of_rights() -> None:
    body = {"message": 'pods "x" is forbidden: exceeded quota: q, requested: pods=1'}
    error = refusal(403, body, "POST /api/v1/namespaces/n/pods")
    assert type(error) is Rejected
    assert "ResourceQuota" in error.remedy


def test_a_quota_that_wants_limits_says_where_to_set_them() -> None:
    said = 'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: helper'
    error = refusal(403, {"message": said}, "POST /api/v1/namespaces/n/pods")
    assert "set resources in the pod template of the server" in error.remedy
    assert "LimitRange" in error.remedy


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_not_a_refusal(status: int) -> None:
    assert type(refusal(status, b"", "GET /x")) is ApiUnreachable


def test_an_answer_that_is_no_status_object_is_quoted() -> None:
    assert refusal(404, "404 page not found\n", "GET /apis/nope").message == "404 page not found"
    assert "GET /x" in refusal(500, b"", "GET /x").message
