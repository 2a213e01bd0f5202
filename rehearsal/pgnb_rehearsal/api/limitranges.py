"""LimitRanges: defaults for the containers of new pods, and the smallest and largest of pods and claims.

Kubernetes' `plugin/pkg/admission/limitranger` and its texts. A LimitRange counts for what is created, not for
what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pgnb_rehearsal.api.objects import Object, Reader
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import forbidden
from pgnb_rehearsal.podresources import effective
from pgnb_rehearsal.quantities import Amounts, Quantity, amounts

_ANNOTATION = "kubernetes.io/limit-ranger"
_GROUPS = (("containers", "container"), ("initContainers", "init container"))
_Rule = Callable[[str, str, Quantity, Amounts, Amounts], str]


def set_defaults(store: Reader, resource: Resource, new: Object) -> None:
    """Give the containers of a new pod the namespace's default requests and limits, in place."""
    if resource.plural != "pods":
        return
    for limit_range in store.select("limitranges", new["metadata"]["namespace"]):
        items = [item for item in limit_range["spec"].get("limits") or () if item["type"] == "Container"]
        requests = {k: v for item in items for k, v in (item.get("defaultRequest") or {}).items()}
        limits = {k: v for item in items for k, v in (item.get("default") or {}).items()}
        if notes := list(_merged(new["spec"], requests, limits)):
            annotations = new["metadata"].setdefault("annotations", {})
            annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def _merged(spec: Object, requests: Object, limits: Object) -> Iterator[str]:
    """Fills in what is missing; says of each container what was."""
    for group, kind in _GROUPS:
        for container in spec.get(group) or ():
            for key, given in (("request", requests), ("limit", limits)):
                present = container["resources"].get(f"{key}s") or {}
                missing = sorted(given.keys() - present.keys())
                if missing:
                    container["resources"][f"{key}s"] = {**present, **{name: given[name] for name in missing}}
                    yield f"{', '.join(missing)} {key} for {kind} {container['name']}"


def check(store: Reader, resource: Resource, new: Object) -> None:
    """Refuse a pod or a claim beyond a limit of its namespace. StatusError 403."""
    rules = {"pods": _pod_errors, "persistentvolumeclaims": _claim_errors}.get(resource.plural)
    if rules is None:
        return
    for limit_range in store.select("limitranges", new["metadata"]["namespace"]):
        items = limit_range["spec"].get("limits") or ()
        errors = list(dict.fromkeys(text for item in items for text in rules(item, new["spec"])))
        if errors:
            text = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
            raise forbidden(resource, new["metadata"].get("name", ""), text)


def check_update(store: Reader, resource: Resource, old: Object, new: Object) -> None:
    """The same for a claim whose request has changed; what a pod asks for cannot change. StatusError 403."""
    if resource.plural == "persistentvolumeclaims" and old["spec"]["resources"] != new["spec"]["resources"]:
        check(store, resource, new)


def _pod_errors(item: Object, spec: Object) -> Iterator[str]:
    if item["type"] == "Container":
        for group, _ in _GROUPS:
            for container in spec.get(group) or ():
                parts = container["resources"]
                yield from _errors(item, amounts(parts.get("requests")), amounts(parts.get("limits")))
    if item["type"] == "Pod":
        yield from _errors(item, effective(spec, "requests"), effective(spec, "limits"))


def _claim_errors(item: Object, spec: Object) -> Iterator[str]:
    if item["type"] != "PersistentVolumeClaim":
        return
    requests = amounts(spec["resources"].get("requests"))
    yield from _broken(item, "min", _below, requests, {})
    yield from _broken(item, "max", _request_above, requests, {})


def _errors(item: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    yield from _broken(item, "min", _below, requests, limits)
    yield from _broken(item, "max", _above, requests, limits)
    yield from _broken(item, "maxLimitRequestRatio", _ratio, requests, limits)


def _broken(item: Object, key: str, rule: _Rule, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted(amounts(item.get(key)).items()):
        if text := rule(name, item["type"], bound, requests, limits):
            yield text


def _below(name: str, kind: str, bound: Quantity, requests: Amounts, limits: Amounts) -> str:
    head = f"minimum {name} usage per {kind} is {bound}"
    request, limit = requests.get(name), limits.get(name)
    if request is None:
        return f"{head}.  No request is specified"
    if request.value < bound.value:
        return f"{head}, but request is {request}"
    return f"{head}, but limit is {limit}" if limit is not None and limit.value < bound.value else ""


def _above(name: str, kind: str, bound: Quantity, requests: Amounts, limits: Amounts) -> str:
    head = f"maximum {name} usage per {kind} is {bound}"
    request, limit = requests.get(name), limits.get(name)
    if limit is None:
        return f"{head}.  No limit is specified"
    if limit.value > bound.value:
        return f"{head}, but limit is {limit}"
    return f"{head}, but request is {request}" if request is not None and request.value > bound.value else ""


def _request_above(name: str, kind: str, bound: Quantity, requests: Amounts, _: Amounts) -> str:
    head = f"maximum {name} usage per {kind} is {bound}"
    request = requests.get(name)
    if request is None:
        return f"{head}.  No request is specified"
    return f"{head}, but request is {request}" if request.value > bound.value else ""


def _ratio(name: str, kind: str, bound: Quantity, requests: Amounts, limits: Amounts) -> str:
    head = f"{name} max limit to request ratio per {kind} is {bound}, but"
    request, limit = requests.get(name), limits.get(name)
    if request is None or not request.value:
        return f"{head} no request is specified or request is 0"
    if limit is None or not limit.value:
        return f"{head} no limit is specified or limit is 0"
    ratio = limit.value / request.value
    return f"{head} provided ratio is {ratio:.6f}" if ratio > bound.value else ""
