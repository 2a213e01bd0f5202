"""Resource quantities ("500m", "1Gi") as numbers, and what a pod asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

_SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:[eE]([+-]?\d+))?([numkMGTPE]?i?|Ki)")

Amounts = dict[str, Fraction]


def parse(text: Any) -> Fraction:
    """A quantity as an exact number (cores, bytes, pieces); raises ValueError when it is none."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match[3] not in _SUFFIXES:
        raise ValueError(f"not a quantity: {text!r}")
    return Fraction(match[1]) * Fraction(10) ** int(match[2] or 0) * _SUFFIXES[match[3]]


def total(maps: Iterable[Mapping[str, Any]]) -> Amounts:
    """The sum of maps of quantities."""
    amounts: Amounts = {}
    for quantities in maps:
        for name, quantity in quantities.items():
            amount = quantity if isinstance(quantity, Fraction) else parse(quantity)
            amounts[name] = amounts.get(name, Fraction(0)) + amount
    return amounts


def requests_of(pod: Mapping[str, Any]) -> Amounts:
    """What a pod asks of its node: the sum of its containers, at least the largest init container, itself."""
    spec = pod["spec"]
    wanted = total(_requests(container) for container in spec["containers"])
    for container in spec.get("initContainers") or ():
        for name, amount in total([_requests(container)]).items():
            wanted[name] = max(wanted.get(name, Fraction(0)), amount)
    return wanted | {"pods": Fraction(1)}


def _requests(container: Mapping[str, Any]) -> Mapping[str, Any]:
    resources = container.get("resources") or {}
    return dict(resources.get("limits") or {}) | dict(resources.get("requests") or {})
