"""Who is asking: bearer tokens of administrators and of service accounts.

A service account's token is a JWT, as in life, but signed with a key that lives and dies with the server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pgnb_rehearsal.api.status import StatusError, unauthorized
from pgnb_rehearsal.api.store import Store

ISSUER = "https://kubernetes.default.svc.cluster.local"
MASTERS = "system:masters"


@dataclass(frozen=True)
class User:
    """An authenticated user, or the anonymous one."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
ADMIN = User("admin", (MASTERS, "system:authenticated"))


def service_account_user(namespace: str, name: str, uid: str = "") -> User:
    """The user that a service account's token stands for."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)


class Credentials:
    """The tokens that the server accepts. `admin_token` is the administrator's."""

    def __init__(self, admin_token: str) -> None:
        self._admin_token = admin_token.encode()
        self._key = secrets.token_bytes(32)

    def authenticate(self, store: Store, authorization: str) -> User:
        """The user of an Authorization header (empty: the anonymous one); StatusError 401."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return ANONYMOUS
        if hmac.compare_digest(token.strip().encode(), self._admin_token):
            return ADMIN
        return self._service_account(store, token.strip())

    def issue(
        self,
        account: Mapping[str, Any],
        *,
        seconds: int = 3600,
        audiences: tuple[str, ...] = (ISSUER,),
        bound_to: Mapping[str, Any] | None = None,
    ) -> str:
        """A token for a ServiceAccount object, valid for `seconds`, optionally bound to a pod object."""
        metadata, now = account["metadata"], int(time.time())
        claims: dict[str, Any] = {"aud": list(audiences), "exp": now + seconds, "iat": now, "iss": ISSUER}
        identity = {"name": metadata["name"], "uid": metadata["uid"]}
        claims["jti"] = str(uuid.uuid4())
        claims["kubernetes.io"] = {"namespace": metadata["namespace"], "serviceaccount": identity}
        if bound_to is not None:
            pod = bound_to["metadata"]
            claims["kubernetes.io"]["pod"] = {"name": pod["name"], "uid": pod["uid"]}
        claims["nbf"] = now
        claims["sub"] = f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}"
        signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, text: str) -> str:
        digest = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def _service_account(self, store: Store, token: str) -> User:
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            raise unauthorized()
        claims = _decoded(signed.partition(".")[2])
        if claims["exp"] < time.time() or ISSUER not in claims["aud"]:
            raise unauthorized()
        return _living_account(store, claims)


def _living_account(store: Store, claims: dict[str, Any]) -> User:
    """A token dies with its account, and with the pod that it is bound to."""
    bound = claims["kubernetes.io"]
    namespace, account = bound["namespace"], bound["serviceaccount"]
    _same_object(store, "serviceaccounts", namespace, account)
    extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
    if "pod" in bound:
        _same_object(store, "pods", namespace, bound["pod"])
        extra["authentication.kubernetes.io/pod-name"] = [bound["pod"]["name"]]
        extra["authentication.kubernetes.io/pod-uid"] = [bound["pod"]["uid"]]
    user = service_account_user(namespace, account["name"], account["uid"])
    return User(user.name, user.groups, user.uid, extra)


def _same_object(store: Store, plural: str, namespace: str, reference: Mapping[str, str]) -> None:
    try:
        found = store.peek(plural, namespace, reference["name"])
    except StatusError:
        raise unauthorized() from None
    if found["metadata"]["uid"] != reference["uid"]:
        raise unauthorized()


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _decoded(text: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return claims
