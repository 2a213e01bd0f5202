"""What an object counts for in a ResourceQuota (kubernetes, pkg/quota/v1/evaluator/core)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.podresources import effective
from pgnb_rehearsal.quantities import Amounts, Quantity, amounts

COMPUTE = ("cpu", "memory", "ephemeral-storage")
_ONE = Quantity(Decimal(1))
_ENDED = ("Succeeded", "Failed")
_BY_NAME = ("configmaps", "persistentvolumeclaims", "resourcequotas", "secrets", "services")
_OF_CLASS = ".storageclass.storage.k8s.io/"


def count_name(resource: Resource) -> str:
    """The name by which a quota limits the objects of a kind: `count/deployments.apps`."""
    return f"count/{resource.qualified}"


def counts_for(resource: Resource, name: str) -> bool:
    """Whether objects of this kind can count for what a quota limits under this name."""
    if name == count_name(resource) or (name == resource.plural and (name in _BY_NAME or name == "pods")):
        return True
    if resource.plural == "pods":
        return _of_pods(name)
    if resource.plural == "persistentvolumeclaims":
        return name == "requests.storage" or _OF_CLASS in name
    return resource.plural == "services" and name in ("services.nodeports", "services.loadbalancers")


def _of_pods(name: str) -> bool:
    kind, _, rest = name.rpartition(".")
    plain = name in COMPUTE or (kind in ("requests", "limits") and rest in COMPUTE)
    return plain or name.startswith("hugepages-") or (name.startswith("requests.") and "/" in name)


def usage(resource: Resource, obj: Object) -> Amounts:
    """What the object counts for, by the names that a quota can have."""
    counted: Amounts = {count_name(resource): _ONE}
    if resource.plural in _BY_NAME:
        counted[resource.plural] = _ONE
    special = _SPECIAL.get(resource.plural)
    return counted | (special(obj) if special is not None else {})


def compute(requests: Amounts, limits: Amounts) -> Amounts:
    """Requests and limits by the names that a quota has for them."""
    found: Amounts = {}
    for name, quantity in requests.items():
        if name in COMPUTE or name.startswith("hugepages-"):
            found[name] = quantity
        found[f"requests.{name}"] = quantity
    return found | {f"limits.{name}": quantity for name, quantity in limits.items() if name in COMPUTE}


def _pod(obj: Object) -> Amounts:
    """A pod that has ended is still an object, but asks for nothing."""
    if lookup(obj, "status", "phase") in _ENDED:
        return {}
    spec = obj["spec"]
    return {"pods": _ONE} | compute(effective(spec, "requests"), effective(spec, "limits"))


def _claim(obj: Object) -> Amounts:
    spec = obj["spec"]
    wanted = amounts(lookup(spec, "resources", "requests")).get("storage", Quantity(Decimal(0)))
    found = {"requests.storage": wanted}
    if name := spec.get("storageClassName"):
        found |= {
            f"{name}{_OF_CLASS}requests.storage": wanted,
            f"{name}{_OF_CLASS}persistentvolumeclaims": _ONE,
        }
    return found


def _service(obj: Object) -> Amounts:
    spec = obj["spec"]
    ports = Quantity(Decimal(len(spec.get("ports") or ())))
    if spec["type"] == "LoadBalancer":
        return {"services.loadbalancers": _ONE, "services.nodeports": ports}
    return {"services.nodeports": ports} if spec["type"] == "NodePort" else {}


_SPECIAL: Mapping[str, Callable[[Object], Amounts]] = {
    "persistentvolumeclaims": _claim,
    "pods": _pod,
    "services": _service,
}
