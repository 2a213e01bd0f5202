"""Nobody gives away rights that they do not have.

Kubernetes, "Using RBAC Authorization: Privilege escalation prevention and bootstrapping".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pgnb_rehearsal.api import rbac
from pgnb_rehearsal.api.access import User
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import RBAC, Resource
from pgnb_rehearsal.api.status import StatusError, forbidden
from pgnb_rehearsal.api.store import Store

_ROLES = ("roles", "clusterroles")
_BINDINGS = ("rolebindings", "clusterrolebindings")


def check_escalation(store: Store, user: User, resource: Resource, obj: Object) -> None:
    """Raises StatusError 403 when a role or binding grants what the user may not do, unless the user may
    `escalate` the role, or `bind` the role that is referred to."""
    namespace = obj["metadata"].get("namespace") or ""
    if resource.plural in _ROLES:
        allowed = rbac.Attributes(
            "escalate", RBAC, resource.plural, namespace, obj["metadata"].get("name", "")
        )
        rules = obj.get("rules") or []
    elif resource.plural in _BINDINGS:
        plural, name = _referred(obj)
        allowed = rbac.Attributes("bind", RBAC, plural, namespace, name)
        home = namespace if plural == "roles" else None
        rules = (store.find(plural, home, name) or {}).get("rules") or []
    else:
        return
    if not rbac.decide(store, user, allowed).allowed:
        _require_held(store, user, resource, obj, rules)


def _referred(obj: Object) -> tuple[str, str]:
    reference = obj.get("roleRef") or {}
    plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
    return plural, reference.get("name") or ""


def _require_held(store: Store, user: User, resource: Resource, obj: Object, rules: list[rbac.Rule]) -> None:
    namespace = obj["metadata"].get("namespace") or ""
    missing = [rule for rule in rules if not _held(store, user, rule, namespace)]
    if missing:
        raise _escalating(user, resource, obj, missing)


def _held(store: Store, user: User, rule: rbac.Rule, namespace: str) -> bool:
    return all(rbac.decide(store, user, attributes).allowed for attributes in _requests(rule, namespace))


def _requests(rule: rbac.Rule, namespace: str) -> Iterator[rbac.Attributes]:
    """The single actions that a rule grants."""
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield rbac.Attributes(verb, path=path)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield rbac.Attributes(verb, group, resource, namespace, name)


def _escalating(user: User, resource: Resource, obj: Object, missing: list[rbac.Rule]) -> StatusError:
    groups = json.dumps(list(user.groups), separators=(" ", ":"))
    rules = "\n".join(_spelled(rule) for rule in missing)
    why = (
        f'user "{user.name}" (groups={groups}) is attempting to grant RBAC permissions not currently held:'
        f"\n{rules}"
    )
    return forbidden(resource, obj["metadata"].get("name", ""), why)


def _spelled(rule: dict[str, Any]) -> str:
    names = {
        "APIGroups": "apiGroups",
        "Resources": "resources",
        "ResourceNames": "resourceNames",
        "NonResourceURLs": "nonResourceURLs",
        "Verbs": "verbs",
    }
    return "{" + ", ".join(f"{k}:{json.dumps(rule[v])}" for k, v in names.items() if rule.get(v)) + "}"
