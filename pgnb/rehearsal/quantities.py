"""Resource quantities: text to numbers, as downwardAPI's resourceFieldRef needs them."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


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
