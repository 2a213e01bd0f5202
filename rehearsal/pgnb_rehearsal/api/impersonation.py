"""Acting as somebody else (`kubectl --as`), for those who have the right to.

Kubernetes, "Authenticating: User impersonation".
"""

from __future__ import annotations

from aiohttp import web

from pgnb_rehearsal.api import rbac
from pgnb_rehearsal.api.access import User
from pgnb_rehearsal.api.status import bad_request
from pgnb_rehearsal.api.store import Store

_ACCOUNT = "system:serviceaccount:"


def effective_user(store: Store, asking: User, request: web.Request) -> User:
    """The user that the request is carried out as; StatusError 403 without the right to impersonate."""
    headers = request.headers
    name = headers.get("Impersonate-User", "")
    groups = tuple(headers.getall("Impersonate-Group", []))
    if not name:
        if groups:
            raise bad_request("requested Impersonate-Group without Impersonate-User")
        return asking
    rbac.require(store, asking, _wish(name))
    for group in groups:
        rbac.require(store, asking, rbac.Attributes("impersonate", resource="groups", name=group))
    return User(name, (*groups, *_implied(name), "system:authenticated"))


def _wish(name: str) -> rbac.Attributes:
    if name.startswith(_ACCOUNT) and name.count(":") == 3:
        namespace, account = name.removeprefix(_ACCOUNT).split(":")
        return rbac.Attributes("impersonate", resource="serviceaccounts", namespace=namespace, name=account)
    return rbac.Attributes("impersonate", resource="users", name=name)


def _implied(name: str) -> tuple[str, ...]:
    if not name.startswith(_ACCOUNT):
        return ()
    namespace = name.removeprefix(_ACCOUNT).split(":")[0]
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
