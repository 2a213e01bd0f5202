"""What the user may do, asked of the API server itself."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pgnb.checks import Check, Checks
from pgnb.cluster.client import Api
from pgnb.cluster.refusals import grant_remedy
from pgnb.errors import ClusterError

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True)
class Right:
    """One right: a verb on a resource (`pods`, `pods/exec`, `deployments`), and what it is needed for."""

    verb: str
    resource: str
    group: str = ""
    why: str = ""
    name: str = ""
    advice: bool = False
    """Whether the procedure goes on without it."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


RIGHTS: tuple[Right, ...] = (
    Right("list", "pods", why="to find the servers"),
    Right("get", "pods/log", why="to read their logs"),
    Right("create", "pods/exec", why="to write configuration files"),
    Right("create", "pods/portforward", why="to reach PostgreSQL"),
    Right("create", "pods", why="to run base backups in helper pods"),
    Right("delete", "pods", why="to remove the helper pods again"),
    Right("get", "configmaps", why="to read the servers' configuration"),
    Right("create", "configmaps", why="to write the standby's configuration"),
    Right("patch", "configmaps", why="to change the servers' configuration"),
    Right("get", "secrets", why="to read the passwords"),
    Right("create", "secrets", why="to keep the replication role's password"),
    Right("patch", "secrets", why="to keep the replication role's password"),
    Right("get", "services", why="to know the primary's name"),
    Right("get", "persistentvolumeclaims", why="to know where the data lies"),
    Right("create", "persistentvolumeclaims", why="to make the standby's volume"),
    Right("get", "deployments", "apps", why="to know how a server is run"),
    Right("create", "deployments", "apps", why="to make the standby"),
    Right("patch", "deployments", "apps", why="to scale and to roll out"),
    Right("get", "statefulsets", "apps", why="to know how a server is run"),
    Right("patch", "statefulsets", "apps", why="to scale and to roll out", advice=True),
    Right("get", "replicasets", "apps", why="to find a pod's Deployment"),
    Right("list", "events", why="to say why a pod does not start", advice=True),
)
"""What sections 1 to 5 of the procedure need, each right with its reason."""


def may(api: Api, right: Right, namespace: str | None = None) -> bool:
    """Whether the user has the right, in the target's namespace or in another one."""
    plural, _, subresource = right.resource.partition("/")
    wanted = {
        "namespace": api.namespace if namespace is None else namespace,
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


def access_checks(api: Api, rights: Iterable[Right] = RIGHTS) -> Checks:
    """A check for each right, asked side by side; a missing one says what would give it."""
    wanted = tuple(rights)
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="pgnb-access") as pool:
        allowed = list(pool.map(lambda right: may(api, right), wanted))
    items = [_check(api, right, found) for right, found in zip(wanted, allowed, strict=True)]
    return Checks.of(f"Rights in the namespace {api.namespace}", items, api.journal)


def _check(api: Api, right: Right, allowed: bool) -> Check:
    remedy = f"{right.why}. {grant_remedy(right.verb, right.resource, right.group, api.namespace)}"
    return Check(str(right), allowed, allowed, True, remedy[0].upper() + remedy[1:], right.advice)


def whoami(api: Api) -> str:
    """The user's name as the API server knows it; empty where it does not tell (before 1.28, or refused)."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        status = api.call("POST", _WHO, body=body).get("status") or {}
    except ClusterError:
        return ""  # A name to show; nothing depends on it.
    return str((status.get("userInfo") or {}).get("username", ""))
