"""ResourceQuotas: whether a namespace has room for an object, and how much of each is used.

Kubernetes' admission plugin ResourceQuota and its texts. What is used is counted anew each time, from the
objects that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pgnb_rehearsal.api.objects import Object, Reader, lookup
from pgnb_rehearsal.api.podcompletion import qos_class
from pgnb_rehearsal.api.resources import RESOURCES, Resource
from pgnb_rehearsal.api.status import forbidden
from pgnb_rehearsal.api.usage import COMPUTE, compute, counts_for, usage
from pgnb_rehearsal.quantities import Amounts, Quantity, added, amounts, parse

COUNTED = tuple(resource for resource in RESOURCES if resource.namespaced and resource.plural != "events")
_CHANGING = ("persistentvolumeclaims", "services")
"""Kinds whose objects can count for more after a change."""
_EXPLICIT = frozenset(
    f"{kind}{name}"
    for name in COMPUTE
    if name != "ephemeral-storage"
    for kind in ("", "requests.", "limits.")
)
"""What each container must have a value for when a quota limits it."""


def check(store: Reader, resource: Resource, new: Object, old: Object | None = None) -> None:
    """Refuse an object for which a quota of its namespace has no room. StatusError 403.

    Of an object that is there (`old`) only what is added counts.
    """
    if resource not in COUNTED or (old is not None and resource.plural not in _CHANGING):
        return
    name = new["metadata"].get("name", "")
    quotas = [
        q for q in store.select("resourcequotas", new["metadata"]["namespace"]) if _concerns(q, resource, new)
    ]
    for quota in quotas:
        if missing := _unspecified(quota, resource, new):
            raise forbidden(
                resource, name, f"failed quota: {quota['metadata']['name']}: must specify {missing}"
            )
    more = _more(usage(resource, new), usage(resource, old) if old is not None else {})
    for quota in quotas if more else ():
        if why := _exceeded(store, quota, more):
            raise forbidden(resource, name, why)


def used(store: Reader, quota: Object) -> Amounts:
    """What of each thing that a quota limits is used in its namespace."""
    hard = amounts(quota["spec"].get("hard"))
    parts: list[Amounts] = [{name: Quantity(parse(0)) for name in hard}]
    for resource in COUNTED:
        if any(counts_for(resource, name) for name in hard):
            objects = store.select(resource.plural, quota["metadata"]["namespace"])
            parts += [usage(resource, obj) for obj in objects if _in_scopes(quota, resource, obj)]
    return {name: quantity for name, quantity in added(parts).items() if name in hard}


def _concerns(quota: Object, resource: Resource, obj: Object) -> bool:
    hard = quota["spec"].get("hard") or {}
    return any(counts_for(resource, name) for name in hard) and _in_scopes(quota, resource, obj)


def _unspecified(quota: Object, resource: Resource, new: Object) -> str:
    """`limits.cpu for: a,b; …`: what containers of a pod must name and do not."""
    if resource.plural != "pods":
        return ""
    without: dict[str, set[str]] = {}
    for container in (*new["spec"]["containers"], *(new["spec"].get("initContainers") or ())):
        resources = container.get("resources") or {}
        named = compute(amounts(resources.get("requests")), amounts(resources.get("limits")))
        for name in _EXPLICIT & quota["spec"]["hard"].keys() - named.keys():
            without.setdefault(name, set()).add(container["name"])
    return "; ".join(f"{name} for: {','.join(sorted(without[name]))}" for name in sorted(without))


def _more(after: Amounts, before: Amounts) -> Amounts:
    zero = Quantity(parse(0))
    deltas = {n: Quantity(q.value - before.get(n, zero).value, q.binary) for n, q in after.items()}
    return {name: quantity for name, quantity in deltas.items() if quantity.value > 0}


def _exceeded(store: Reader, quota: Object, more: Amounts) -> str:
    hard = amounts(quota["spec"].get("hard"))
    wanted = {name: quantity for name, quantity in more.items() if name in hard}
    present = used(store, quota) if wanted else {}
    over = sorted(name for name in wanted if wanted[name].value + present[name].value > hard[name].value)
    if not over:
        return ""
    columns = (("requested", wanted), ("used", present), ("limited", hard))
    shown = (f"{title}: {','.join(f'{name}={found[name]}' for name in over)}" for title, found in columns)
    return f"exceeded quota: {quota['metadata']['name']}, {', '.join(shown)}"


# -- scopes ----------------------------------------------------------------------------------------------


def _in_scopes(quota: Object, resource: Resource, obj: Object) -> bool:
    """Whether the quota counts this object; one with scopes counts pods only."""
    selectors = list(_selectors(quota["spec"]))
    if resource.plural != "pods":
        return not selectors
    return all(SCOPES[selector["scopeName"]](obj["spec"], selector) for selector in selectors)


def _selectors(spec: Object) -> Iterable[Object]:
    yield from ({"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ())
    yield from lookup(spec, "scopeSelector", "matchExpressions") or ()


def _terminating(spec: Object, _: Object) -> bool:
    return spec.get("activeDeadlineSeconds") is not None


def _best_effort(spec: Object, _: Object) -> bool:
    return qos_class(spec) == "BestEffort"


def _priority_class(spec: Object, selector: Object) -> bool:
    name, values = spec.get("priorityClassName") or "", selector.get("values") or ()
    operator = selector["operator"]
    if operator == "In":
        return name in values
    if operator == "NotIn":
        return name not in values
    return bool(name) is (operator == "Exists")


SCOPES: Mapping[str, Callable[[Object, Object], bool]] = {
    "Terminating": _terminating,
    "NotTerminating": lambda spec, selector: not _terminating(spec, selector),
    "BestEffort": _best_effort,
    "NotBestEffort": lambda spec, selector: not _best_effort(spec, selector),
    "PriorityClass": _priority_class,
}
