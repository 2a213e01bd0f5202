"""Reviews of rights and of identity: virtual resources that are answered, not stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pgnb_rehearsal.api import rbac
from pgnb_rehearsal.api.access import ANONYMOUS, MASTERS, User
from pgnb_rehearsal.api.objects import Object, lookup, timestamp
from pgnb_rehearsal.api.status import bad_request
from pgnb_rehearsal.api.store import Store

AUTHORIZATION = "authorization.k8s.io/v1"
AUTHENTICATION = "authentication.k8s.io/v1"

KINDS = {
    (AUTHORIZATION, "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    (AUTHORIZATION, "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    (AUTHORIZATION, "subjectaccessreviews"): "SubjectAccessReview",
    (AUTHORIZATION, "localsubjectaccessreviews"): "LocalSubjectAccessReview",
    (AUTHENTICATION, "selfsubjectreviews"): "SelfSubjectReview",
}


def answer(store: Store, user: User, api_version: str, plural: str, body: Object) -> Object:
    """The review with its status; StatusError 400 for one without a spec to review."""
    kind = KINDS[api_version, plural]
    head: Object = {"kind": kind, "apiVersion": api_version, "metadata": {}}
    return head | _ANSWERS[plural](store, user, body)


def _who_am_i(_store: Store, user: User, _body: Object) -> Object:
    info: Object = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = dict(user.extra)
    return {"metadata": {"creationTimestamp": timestamp()}, "status": {"userInfo": info}}


def _may_i(store: Store, user: User, body: Object) -> Object:
    spec = body.get("spec") or {}
    return {"spec": spec, "status": _verdict(store, user, spec)}


def _may_another(store: Store, _user: User, body: Object) -> Object:
    spec = body.get("spec") or {}
    if not spec.get("user") and not spec.get("groups"):
        raise bad_request("spec.user: Invalid value: at least one of user or group must be specified")
    other = User(spec.get("user") or ANONYMOUS.name, tuple(spec.get("groups") or ()), spec.get("uid") or "")
    return {"spec": spec, "status": _verdict(store, other, spec)}


def _what_may_i(store: Store, user: User, body: Object) -> Object:
    namespace = lookup(body, "spec", "namespace")
    if not namespace:
        raise bad_request("no namespace on request")
    rules = list(rbac.rules_of(store, user, namespace))
    if MASTERS in user.groups:
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, *rules]
    on_resources = [_ordered(rule, _RESOURCE_KEYS) for rule in rules if rule.get("resources")]
    on_paths = [_ordered(rule, _PATH_KEYS) for rule in rules if rule.get("nonResourceURLs")]
    status = {"resourceRules": on_resources, "nonResourceRules": on_paths, "incomplete": False}
    return {"spec": {}, "status": status}


_RESOURCE_KEYS = ("verbs", "apiGroups", "resources", "resourceNames")
_PATH_KEYS = ("verbs", "nonResourceURLs")


def _ordered(rule: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: rule[key] for key in keys if rule.get(key)}


def _verdict(store: Store, user: User, spec: Object) -> Object:
    verdict = rbac.decide(store, user, _wish(spec))
    return {"allowed": verdict.allowed} | ({"reason": verdict.reason} if verdict.reason else {})


def _wish(spec: Object) -> rbac.Attributes:
    resource, path = spec.get("resourceAttributes") or {}, spec.get("nonResourceAttributes") or {}
    if bool(resource) == bool(path):
        raise bad_request("exactly one of nonResourceAttributes or resourceAttributes must be specified")
    if path:
        return rbac.Attributes(path.get("verb", ""), path=path.get("path", ""))
    name, subresource = resource.get("resource", ""), resource.get("subresource", "")
    return rbac.Attributes(
        resource.get("verb", ""),
        resource.get("group", ""),
        f"{name}/{subresource}" if subresource else name,
        resource.get("namespace", ""),
        resource.get("name", ""),
    )


_ANSWERS: dict[str, Callable[[Store, User, Object], Object]] = {
    "localsubjectaccessreviews": _may_another,
    "selfsubjectaccessreviews": _may_i,
    "selfsubjectreviews": _who_am_i,
    "selfsubjectrulesreviews": _what_may_i,
    "subjectaccessreviews": _may_another,
}
