"""What pods ask of their node, and what it has, as exact numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pgnb.rehearsal.node.quantities import parse

Amounts = dict[str, Decimal]


def total(maps: Iterable[Mapping[str, Any]]) -> Amounts:
    """The sum of maps of quantities."""
    amounts: Amounts = {}
    for quantities in maps:
        for name, quantity in quantities.items():
            amount = quantity if isinstance(quantity, Decimal) else parse(quantity)
            amounts[name] = amounts.get(name, Decimal(0)) + amount
    return amounts


def requests_of(pod: Mapping[str, Any]) -> Amounts:
    """What a pod asks for: the sum of its containers, at least the largest init container, and its place."""
    spec = pod["spec"]
    wanted = total(_requests(container) for container in spec["containers"])
    for container in spec.get("initContainers") or ():
        for name, amount in total([_requests(container)]).items():
            wanted[name] = max(wanted.get(name, Decimal(0)), amount)
    return wanted | {"pods": Decimal(1)}


def _requests(container: Mapping[str, Any]) -> Mapping[str, Any]:
    resources = container.get("resources") or {}
    return dict(resources.get("limits") or {}) | dict(resources.get("requests") or {})
