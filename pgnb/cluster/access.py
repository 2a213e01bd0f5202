"""Check the user's rights by asking the API server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from pgnb.cluster.api_errors import grant_remedy
from pgnb.cluster.client import Api
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ClusterError, ParameterError

Rule = Mapping[str, Any]
"""A rule of RBAC as the API spells it: verbs, apiGroups, resources, resourceNames."""
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_OWN_RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True)
class Right:
    """One right: a verb on a resource (`pods`, `pods/exec`, `deployments`), and why it is needed."""

    verb: str
    resource: str
    group: str = ""
    why: str = ""
    name: str = ""
    advice: bool = False
    """Whether the procedure can continue without it."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


RIGHTS: tuple[Right, ...] = (
    Right(
        "get", "namespaces", why="to check whether the namespace is for practice (dry_run auto)", advice=True
    ),
    Right("list", "pods", why="to find the servers"),
    Right("get", "pods", why="to follow them and the helper pods"),
    Right("get", "pods/log", why="to read their logs"),
    Right("get", "pods/exec", why="to read and write configuration files"),
    Right("create", "pods/exec", why="to read and write configuration files"),
    Right("get", "pods/portforward", why="to reach PostgreSQL"),
    Right("create", "pods/portforward", why="to reach PostgreSQL"),
    Right("create", "pods", why="to run base backups, pg_dump and measuring clients in helper pods"),
    Right("delete", "pods", why="to remove the helper pods again"),
    Right("get", "configmaps", why="to read the servers' configuration"),
    Right("create", "configmaps", why="to write the standby's configuration"),
    Right("patch", "configmaps", why="to change the servers' configuration"),
    Right("get", "secrets", why="to read the passwords"),
    Right("create", "secrets", why="to keep the replication role's and the subscriber's password"),
    Right("patch", "secrets", why="to keep the replication role's and the subscriber's password"),
    Right("list", "services", why="to read the primary's name"),
    Right("get", "services", why="to compare the standby's Service"),
    Right("create", "services", why="to make the standby's and the subscriber's Service"),
    Right("patch", "services", why="to make those Services, and to lead clients to a new primary"),
    Right("get", "persistentvolumeclaims", why="to find out where the data lies"),
    Right("create", "persistentvolumeclaims", why="to make the standby's and the subscriber's volume"),
    Right("patch", "persistentvolumeclaims", why="to make the standby's and the subscriber's volume"),
    Right("get", "deployments", "apps", why="to find out what runs a server"),
    Right("create", "deployments", "apps", why="to make the standby and the subscriber"),
    Right("patch", "deployments", "apps", why="to scale and to roll out"),
    Right("get", "statefulsets", "apps", why="to find out what runs a server"),
    Right("patch", "statefulsets", "apps", why="to scale and to roll out", advice=True),
    Right("get", "replicasets", "apps", why="to find a pod's Deployment"),
    Right("get", "leases", "coordination.k8s.io", why="to see who is working on a database (03, 06, 09, 12)"),
    Right(
        "create",
        "leases",
        "coordination.k8s.io",
        why="to hold the only Lease for changes of a database's role",
    ),
    Right("patch", "leases", "coordination.k8s.io", why="to renew and to release that Lease"),
    Right("list", "events", why="to say why a pod does not start", advice=True),
    Right(
        "list",
        "endpointslices",
        "discovery.k8s.io",
        advice=True,
        why="to see that clients use a new primary (sections 9 and 12.10)",
    ),
    Right("list", "deployments", "apps", why="to name a change of roles that was interrupted", advice=True),
    Right("list", "statefulsets", "apps", why="to name a change of roles that was interrupted", advice=True),
    Right(
        "list",
        "horizontalpodautoscalers",
        "autoscaling",
        advice=True,
        why="to see who could scale a fenced server back (section 9)",
    ),
    Right(
        "list",
        "scaledobjects",
        "keda.sh",
        advice=True,
        why="to see who could scale a fenced server back (section 9)",
    ),
    Right("list", "cronjobs", "batch", why="to find scheduled backups (section 11)", advice=True),
)
"""What sections 1 to 12 of the procedure need, each with its reason; pgnb/manifests/rbac.yaml gives them.

A WebSocket begins with GET, so exec and port-forward need `get`, and from Kubernetes 1.35 on `create`, too
(AuthorizePodWebsocketUpgradeCreatePermission). A server-side apply is a patch, also where it creates.
"""


def rights_of(roles: Iterable[str]) -> tuple[Right, ...]:
    """Return those of the procedure's rights that some roles of pgnb/manifests/rbac.yaml give.

    Raises ParameterError for a role that is not there.
    """
    text = (files("pgnb") / "manifests" / "rbac.yaml").read_text(encoding="utf-8")
    rules = {m["metadata"]["name"]: m["rules"] for m in yaml.safe_load_all(text) if m["kind"] == "Role"}
    if unknown := sorted(set(roles) - set(rules)):
        raise ParameterError(
            f"rbac_roles cannot be {', '.join(unknown)}", remedy=f"Use some of {', '.join(rules)}."
        )
    given = {
        (verb, resource, group)
        for role in roles
        for rule in rules[role]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }
    return tuple(right for right in RIGHTS if (right.verb, right.resource, right.group) in given)


def may(api: Api, right: Right) -> bool:
    """Return whether the user has the right in the target's namespace."""
    plural, _, subresource = right.resource.partition("/")
    wanted = {
        "namespace": api.namespace,
        "verb": right.verb,
        "resource": plural,
        "subresource": subresource,
        "group": right.group,
        "name": right.name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in wanted.items() if value}},
    }
    return bool((api.call("POST", _REVIEW, body=body).get("status") or {}).get("allowed"))


def account_may(api: Api, account: str, verb: str, what: str, namespace: str) -> bool:
    """Return whether a service account (`NAMESPACE:NAME`) has a right of the core group in a namespace.

    Raises AccessDenied if this user may not ask (create localsubjectaccessreviews).
    """
    plural, _, subresource = what.partition("/")
    attributes = {"namespace": namespace, "verb": verb, "resource": plural, "subresource": subresource}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{account.partition(':')[0]}"]
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "LocalSubjectAccessReview",
        "metadata": {"namespace": namespace},
        "spec": {
            "user": f"system:serviceaccount:{account}",
            "groups": [*groups, "system:authenticated"],
            "resourceAttributes": {key: value for key, value in attributes.items() if value},
        },
    }
    path = f"/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews"
    return bool((api.call("POST", path, body=body).get("status") or {}).get("allowed"))


def access_checks(api: Api, rights: Iterable[Right] = RIGHTS) -> Checks:
    """Return a check for each right, all asked in parallel; a missing one says how to get it.

    An advice is added if the API server's certificate is not checked.
    """
    wanted = tuple(rights)
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="pgnb-access") as pool:
        allowed = list(pool.map(lambda right: may(api, right), wanted))
    rules = [] if all(allowed) else _rules(api)
    items = [_check(api, right, found, rules) for right, found in zip(wanted, allowed, strict=True)]
    items += [_impostor(api.target.unverified)] if api.target.unverified else []
    return Checks.of(f"Rights in the namespace {api.namespace}", items, api.journal)


def _impostor(found: str) -> Check:
    return Check(
        "the API server's certificate is checked",
        False,
        found,
        "https, with its certificate checked",
        "Another host could pose as the API server, and then has this user's token and the"
        " passwords that are read. Put certificate-authority-data into the kubeconfig, and"
        " remove insecure-skip-tls-verify.",
        advice=True,
    )


def _check(api: Api, right: Right, allowed: bool, rules: Sequence[Rule]) -> Check:
    remedy = f"{right.why}. {grant_remedy(right.verb, right.resource, right.group, api.namespace)}"
    names = () if allowed or right.name else _named(right, rules)
    found = f"for {', '.join(names)}" if names else allowed
    return Check(
        str(right), allowed or bool(names), found, True, remedy[0].upper() + remedy[1:], right.advice
    )


def _rules(api: Api) -> Sequence[Rule]:
    """Return the user's rules in the namespace, if the server lists them (RBAC does; a webhook may not)."""
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": api.namespace},
    }
    try:
        return (api.call("POST", _OWN_RULES, body=body).get("status") or {}).get("resourceRules") or []
    except ClusterError:
        return ()  # Without the rules, a right on some names counts as missing, as in the access review.


def _named(right: Right, rules: Sequence[Rule]) -> tuple[str, ...]:
    """Return the object names that the right is limited to.

    An access review without a name denies such a right.
    """
    names = {
        name
        for rule in rules
        if {right.verb, "*"} & set(rule.get("verbs") or ())
        and {right.group, "*"} & set(rule.get("apiGroups") or ())
        and {right.resource, "*"} & set(rule.get("resources") or ())
        for name in rule.get("resourceNames") or ()
    }
    return tuple(sorted(names))


def whoami(api: Api) -> str:
    """Return the user's name as the API server knows it; "" if it does not say (before 1.28, or refused)."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        status = api.call("POST", _WHO, body=body).get("status") or {}
    except ClusterError:
        return ""  # Only displayed; nothing depends on it.
    return str((status.get("userInfo") or {}).get("username", ""))
