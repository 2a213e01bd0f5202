"""Roles, bindings, tokens, and giving rights away."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb_rehearsal.api import rbac
from pgnb_rehearsal.api.access import ADMIN, ANONYMOUS, Credentials, User, service_account_user
from pgnb_rehearsal.api.escalation import check_escalation
from pgnb_rehearsal.api.rbac import Attributes
from pgnb_rehearsal.api.resources import BY_PLURAL
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store

OPERATOR = service_account_user("default", "operator")


def grant(store: Store, role: str, *rules: dict[str, Any], subject: dict[str, str] | None = None) -> None:
    """Rules for the operator (or `subject`), in the namespace `default`."""
    metadata = {"name": role, "namespace": "default"}
    store.create("roles", {"metadata": metadata, "rules": list(rules)})
    whom = subject or {"kind": "ServiceAccount", "name": "operator"}
    reference = {"kind": "Role", "name": role}
    store.create("rolebindings", {"metadata": metadata, "roleRef": reference, "subjects": [whom]})


def rule(verbs: str, resources: str, group: str = "", **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **more}


def may(store: Store, user: User, wish: Attributes) -> bool:
    return rbac.decide(store, user, wish).allowed


@pytest.mark.parametrize(
    ("wish", "allowed"),
    [
        (Attributes("get", "", "pods", "default", "p"), True),
        (Attributes("get", "", "pods", "other", "p"), False),
        (Attributes("get", "", "pods/log", "default", "p"), False),
        (Attributes("get", "apps", "pods", "default", "p"), False),
        (Attributes("create", "", "pods/exec", "default", "p"), True),
        (Attributes("update", "", "configmaps", "default", "mine"), True),
        (Attributes("update", "", "configmaps", "default", "other"), False),
        (Attributes("patch", "apps", "deployments/scale", "default", "d"), True),
        (Attributes("patch", "apps", "deployments", "default", "d"), False),
        (Attributes("get", path="/healthz"), True),
        (Attributes("get", path="/metrics"), False),
    ],
)
def test_rules_grant_what_they_name_and_no_more(store: Store, wish: Attributes, allowed: bool) -> None:
    grant(store, "one", rule("get list", "pods"), rule("create", "pods/exec"))
    grant(store, "two", rule("update", "configmaps", resourceNames=["mine"]), rule("*", "*/scale", "apps"))
    assert may(store, OPERATOR, wish) is allowed


@pytest.mark.parametrize(
    ("role", "wish", "allowed"),
    [
        ("view", Attributes("list", "", "pods", "default"), True),
        ("view", Attributes("get", "", "secrets", "default"), False),
        ("view", Attributes("create", "", "pods/exec", "default"), False),
        ("edit", Attributes("create", "", "pods/exec", "default"), True),
        ("edit", Attributes("delete", "apps", "deployments", "default"), True),
        ("edit", Attributes("create", "rbac.authorization.k8s.io", "roles", "default"), False),
        ("admin", Attributes("create", "rbac.authorization.k8s.io", "roles", "default"), True),
        ("admin", Attributes("list", "", "nodes"), False),
        ("cluster-admin", Attributes("anything", "any.group", "things", "default"), True),
    ],
)
def test_the_roles_that_are_shipped(store: Store, role: str, wish: Attributes, allowed: bool) -> None:
    subject = {"kind": "User", "name": "ann"}
    reference = {"kind": "ClusterRole", "name": role}
    metadata = {"name": "b", "namespace": "default"}
    store.create("rolebindings", {"metadata": metadata, "roleRef": reference, "subjects": [subject]})
    assert may(store, User("ann", ("system:authenticated",)), wish) is allowed


def test_groups_of_service_accounts_are_subjects(store: Store) -> None:
    group = {"kind": "Group", "name": "system:serviceaccounts:default"}
    grant(store, "r", rule("get", "pods"), subject=group)
    assert may(store, OPERATOR, Attributes("get", "", "pods", "default"))
    assert not may(store, service_account_user("other", "operator"), Attributes("get", "", "pods", "default"))


def test_nobody_gives_away_what_he_does_not_have(store: Store) -> None:
    grant(store, "own", rule("get", "pods"), rule("*", "roles rolebindings", "rbac.authorization.k8s.io"))
    metadata = {"name": "new", "namespace": "default"}
    roles = BY_PLURAL["roles"]
    check_escalation(store, OPERATOR, roles, {"metadata": metadata, "rules": [rule("get", "pods")]})
    wider = {"metadata": metadata, "rules": [rule("get", "pods secrets")]}
    plain = User("ann", ("system:authenticated",))
    with pytest.raises(
        StatusError, match="attempting to grant RBAC permissions not currently held"
    ) as refused:
        check_escalation(store, plain, roles, wider)
    assert refused.value.code == 403
    check_escalation(store, ADMIN, roles, wider)
    binding = {"metadata": metadata, "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}}
    with pytest.raises(StatusError, match="not currently held"):
        check_escalation(store, plain, BY_PLURAL["rolebindings"], binding)


def test_tokens_are_checked_and_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = Credentials("admin-secret")
    account = store.create("serviceaccounts", {"metadata": {"name": "operator", "namespace": "default"}})
    token = credentials.issue(account, seconds=600)
    user = credentials.authenticate(store, f"Bearer {token}")
    assert (user.name, user.groups[1]) == (OPERATOR.name, "system:serviceaccounts:default")
    assert credentials.authenticate(store, "Bearer admin-secret") == ADMIN
    assert credentials.authenticate(store, "") == ANONYMOUS
    forged = token.rsplit(".", 1)[0] + "." + "A" * 43
    elsewhere = Credentials("admin-secret").issue(account)
    for bad in (forged, elsewhere, "nonsense", "ä"):
        with pytest.raises(StatusError, match="Unauthorized"):
            credentials.authenticate(store, f"Bearer {bad}")
    monkeypatch.setattr("time.time", lambda: 4e9)
    with pytest.raises(StatusError, match="Unauthorized"):
        credentials.authenticate(store, f"Bearer {token}")


def test_a_token_bound_to_a_pod_dies_with_the_pod(store: Store) -> None:
    credentials = Credentials("admin-secret")
    account = store.get("serviceaccounts", "default", "default")
    spec = {"containers": [{"name": "m", "image": "i"}]}
    pod = store.create("pods", {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    header = f"Bearer {credentials.issue(account, bound_to=pod)}"
    assert credentials.authenticate(store, header).extra["authentication.kubernetes.io/pod-name"] == ["p"]
    store.delete("pods", "default", "p")
    with pytest.raises(StatusError, match="Unauthorized"):
        credentials.authenticate(store, header)
