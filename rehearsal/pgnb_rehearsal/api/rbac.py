"""What a user may do: roles and bindings, evaluated as Kubernetes does (purely additive)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgnb_rehearsal.api.access import MASTERS, User
from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.requests import RequestInfo
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store

Rule = dict[str, Any]


@dataclass(frozen=True)
class Attributes:
    """One action on one resource (`resource` may be `pods/exec`), or on a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether, and by which binding."""

    allowed: bool
    reason: str = ""


def wish_of(info: RequestInfo, verb: str = "") -> Attributes:
    """The right that a request needs."""
    if not info.is_resource:
        return Attributes(info.verb, path=info.path)
    return Attributes(verb or info.verb, info.group, info.target, info.namespace, info.name)


def decide(store: Store, user: User, attributes: Attributes) -> Verdict:
    """May this user do this?"""
    if MASTERS in user.groups:
        return Verdict(True)
    for rules, reason in _bound_rules(store, user, attributes.namespace):
        if any(covers(rule, attributes) for rule in rules):
            return Verdict(True, reason)
    return Verdict(False)


def require(store: Store, user: User, attributes: Attributes) -> None:
    """Raises StatusError 403, worded as the real server's."""
    if not decide(store, user, attributes).allowed:
        raise forbidden_wish(user, attributes)


def forbidden_wish(user: User, attributes: Attributes) -> StatusError:
    """The 403 that names the verb, the resource and the namespace that are missing."""
    if attributes.path:
        message = f'forbidden: User "{user.name}" cannot {attributes.verb} path "{attributes.path}"'
        return StatusError(403, "Forbidden", message, {})
    plural = attributes.resource.split("/")[0]
    qualified = f"{plural}.{attributes.group}" if attributes.group else plural
    what = f'{qualified} "{attributes.name}"' if attributes.name else qualified
    where = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
    message = (
        f'{what} is forbidden: User "{user.name}" cannot {attributes.verb} resource "{attributes.resource}" '
        f'in API group "{attributes.group}" {where}'
    )
    details = {"name": attributes.name} if attributes.name else {}
    if attributes.group:
        details["group"] = attributes.group
    return StatusError(403, "Forbidden", message, {**details, "kind": plural})


def rules_of(store: Store, user: User, namespace: str) -> Iterator[Rule]:
    """All rules that hold for the user in a namespace."""
    for rules, _ in _bound_rules(store, user, namespace):
        yield from rules


def covers(rule: Rule, attributes: Attributes) -> bool:
    """True when the rule alone grants the attributes."""
    if not _listed(rule.get("verbs"), attributes.verb):
        return False
    if attributes.path:
        return any(_path_matches(pattern, attributes.path) for pattern in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    if names and attributes.name not in names:
        return False
    return _listed(rule.get("apiGroups"), attributes.group) and _resource_listed(rule, attributes.resource)


def _listed(values: list[str] | None, wanted: str) -> bool:
    return values is not None and ("*" in values or wanted in values)


def _resource_listed(rule: Rule, resource: str) -> bool:
    resources = rule.get("resources") or ()
    _, slash, subresource = resource.partition("/")
    return "*" in resources or resource in resources or bool(slash and f"*/{subresource}" in resources)


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _bound_rules(store: Store, user: User, namespace: str) -> Iterator[tuple[list[Rule], str]]:
    for binding in store.select("clusterrolebindings"):
        yield from _rules_by(store, user, binding, "")
    if namespace:
        for binding in store.select("rolebindings", namespace):
            yield from _rules_by(store, user, binding, namespace)


def _rules_by(store: Store, user: User, binding: Object, namespace: str) -> Iterator[tuple[list[Rule], str]]:
    subject = next((s for s in binding.get("subjects") or () if _is_subject(s, user, namespace)), None)
    if subject is None:
        return
    reference = binding["roleRef"]
    role = _role(store, reference, namespace)
    if role is not None:
        yield role.get("rules") or [], _reason(binding, reference, subject, namespace)


def _role(store: Store, reference: dict[str, str], namespace: str) -> Object | None:
    if reference["kind"] == "ClusterRole":
        return store.find("clusterroles", None, reference["name"])
    return store.find("roles", namespace, reference["name"])


def _is_subject(subject: dict[str, str], user: User, namespace: str) -> bool:
    kind, name = subject["kind"], subject["name"]
    if kind == "User":
        return name == user.name
    if kind == "Group":
        return name in user.groups
    home = subject.get("namespace") or namespace
    return user.name == f"system:serviceaccount:{home}:{name}"


def _reason(binding: Object, reference: dict[str, str], subject: dict[str, str], namespace: str) -> str:
    name = binding["metadata"]["name"]
    bound = f'RoleBinding "{name}/{namespace}"' if namespace else f'ClusterRoleBinding "{name}"'
    whom = f'{subject["kind"]} "{subject["name"]}"'
    if subject["kind"] == "ServiceAccount":
        whom = f'ServiceAccount "{subject["name"]}/{subject.get("namespace") or namespace}"'
    return f'RBAC: allowed by {bound} of {reference["kind"]} "{reference["name"]}" to {whom}'
