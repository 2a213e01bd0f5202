"""Rules about ResourceQuotas, LimitRanges, and what a container asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.quotas import SCOPES
from pgnb_rehearsal.api.status import FieldError, duplicate_value, invalid_value, not_supported, required
from pgnb_rehearsal.quantities import amounts

_STANDARD = frozenset(
    (
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "persistentvolumeclaims",
        "configmaps",
        "services.nodeports",
        "services.loadbalancers",
    )
)
_TYPES = ("Container", "Pod", "PersistentVolumeClaim")
_ORDERED = (
    ("min", "max", "min", "min value", "max value"),
    ("min", "defaultRequest", "defaultRequest", "min value", "default request value"),
    ("defaultRequest", "max", "defaultRequest", "default request value", "max value"),
    ("defaultRequest", "default", "defaultRequest", "default request value", "default limit value"),
    ("min", "default", "default", "min value", "default value"),
    ("default", "max", "default", "default value", "max value"),
)
"""The lesser, the greater, the field that is named, and what both are called."""


def quota_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a ResourceQuota."""
    errors = []
    for name, quantity in sorted(amounts(lookup(obj, "spec", "hard")).items()):
        where = f"spec.hard[{name}]"
        if "/" not in name and name not in _STANDARD and "hugepages-" not in name:
            errors.append(invalid_value(where, json.dumps(name), "must be a standard resource for quota"))
        if quantity.value < 0:
            text = "must be greater than or equal to 0"
            errors.append(invalid_value(where, json.dumps(str(quantity)), text))
    for scope in lookup(obj, "spec", "scopes") or ():
        if scope not in SCOPES:
            errors.append(not_supported("spec.scopes", json.dumps(scope), tuple(SCOPES)))
    for index, found in enumerate(lookup(obj, "spec", "scopeSelector", "matchExpressions") or ()):
        if found.get("scopeName") not in SCOPES:
            where = f"spec.scopeSelector.matchExpressions[{index}].scopeName"
            errors.append(not_supported(where, json.dumps(found.get("scopeName")), tuple(SCOPES)))
    return errors


def limit_range_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a LimitRange."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate(lookup(obj, "spec", "limits") or ()):
        where = f"spec.limits[{index}]"
        kind = item.get("type") or ""
        if kind not in _TYPES:
            errors.append(
                not_supported(f"{where}.type", json.dumps(kind), _TYPES)
                if kind
                else required(f"{where}.type")
            )
        if kind in seen:
            errors.append(duplicate_value(f"{where}.type", json.dumps(kind)))
        seen.add(kind)
        errors += _disordered(item, where)
    return errors


def _disordered(item: Object, where: str) -> Iterator[FieldError]:
    for low, high, field, lesser, greater in _ORDERED:
        small, great = amounts(item.get(low)), amounts(item.get(high))
        for name in sorted(small.keys() & great.keys()):
            if small[name].value > great[name].value:
                text = f"{lesser} {small[name]} is greater than {greater} {great[name]}"
                shown = (small if field == low else great)[name]
                yield invalid_value(f"{where}.{field}[{name}]", json.dumps(str(shown)), text)


def container_errors(container: Object, where: str) -> Iterator[FieldError]:
    """What is wrong with a container's resources: a request above its limit."""
    requests, limits = (amounts(lookup(container, "resources", key)) for key in ("requests", "limits"))
    for name in sorted(requests.keys() & limits.keys()):
        if requests[name].value > limits[name].value:
            text = f"must be less than or equal to {name} limit of {limits[name]}"
            yield invalid_value(f"{where}.resources.requests", json.dumps(str(requests[name])), text)
