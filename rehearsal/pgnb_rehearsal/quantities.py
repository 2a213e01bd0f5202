"""Resource quantities (`500m`, `1Gi`, `2`): read, added, and written as Kubernetes does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SMALLEST = "n"


class Quantity(NamedTuple):
    """A number, and whether it is written in powers of two."""

    value: Decimal
    binary: bool = False

    @classmethod
    def read(cls, text: str | int | float) -> Quantity:
        """The quantity that a text stands for; ValueError when it is none."""
        return cls(parse(text), str(text)[-2:] in _BINARY)

    def plus(self, other: Quantity) -> Quantity:
        """The sum, written as the first part that is not zero."""
        return Quantity(self.value + other.value, self.binary if self.value else other.binary)

    def __str__(self) -> str:
        """The canonical form: the largest unit of which it is a whole number."""
        if self.binary and abs(self.value) >= _BINARY["Ki"] and self.value == int(self.value):
            for unit, factor in reversed(_BINARY.items()):
                if self.value % factor == 0:
                    return f"{int(self.value) // factor}{unit}"
            return str(int(self.value))
        return _decimal(self.value)


Amounts = dict[str, Quantity]


def amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    """A map of quantities, as an object holds it, read."""
    return {name: Quantity.read(text) for name, text in (quantities or {}).items()}


def added(parts: Iterable[Amounts]) -> Amounts:
    """The sum of maps, name by name."""
    sums: Amounts = {}
    for part in parts:
        for name, quantity in part.items():
            sums[name] = sums[name].plus(quantity) if name in sums else quantity
    return sums


def largest(one: Amounts, other: Amounts) -> Amounts:
    """Of each name the larger amount of the two."""
    return {
        name: max((part[name] for part in (one, other) if name in part), key=lambda found: found.value)
        for name in {**one, **other}
    }


def parse(text: str | int | float) -> Decimal:
    """The number that a quantity such as `500m`, `1Gi` or `2` stands for; ValueError when it is none."""
    text = str(text)
    if text[-2:] in _BINARY:
        number, factor = text[:-2], Decimal(_BINARY[text[-2:]])
    elif text[-1:] in _DECIMAL:
        number, factor = text[:-1], Decimal(10) ** _DECIMAL[text[-1]]
    else:
        number, factor = text, Decimal(1)
    try:
        return Decimal(number) * factor
    except InvalidOperation:
        raise ValueError(f"not a resource quantity: {text!r}") from None


def divided(text: str | int | float, divisor: str | int | float) -> str:
    """`text` in units of `divisor` ("0" or empty: 1), rounded up, as a container's environment shows it."""
    unit = parse(divisor or "1")
    return str(math.ceil(parse(text) / (unit or Decimal(1))))


def _decimal(value: Decimal) -> str:
    if not value:
        return "0"
    units = sorted({**_DECIMAL, "": 0}.items(), key=lambda unit: -unit[1])
    for unit, exponent in units:
        number = value.scaleb(-exponent)
        if number == number.to_integral_value():
            return f"{int(number)}{unit}"
    return f"{math.ceil(value.scaleb(-_DECIMAL[_SMALLEST]))}{_SMALLEST}"
