"""What pods ask of their node, and what it has, as exact numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pgnb_rehearsal.podresources import effective
from pgnb_rehearsal.quantities import parse

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
    """What a pod asks for, and its place."""
    wanted = effective(pod["spec"], "requests")
    return {name: quantity.value for name, quantity in wanted.items()} | {"pods": Decimal(1)}
