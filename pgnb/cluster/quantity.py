"""Kubernetes' quantities as numbers: `500m`, `2Gi`, `1e3` (the API convention of resource.Quantity)."""

from __future__ import annotations

import re
from decimal import Decimal

from pgnb.core.errors import ParameterError

_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:([eE][+-]?\d+)|(m|k|M|G|T|P|E|[KMGTPE]i))?")
_FACTORS = {"m": Decimal("0.001"), "k": Decimal(10**3)}
_FACTORS |= {unit: Decimal(1000 ** (n + 2)) for n, unit in enumerate("MGTPE")}
_FACTORS |= {f"{unit}i": Decimal(1024 ** (n + 1)) for n, unit in enumerate("KMGTPE")}


def quantity(text: str) -> Decimal:
    """Return a quantity's number. Raises ParameterError for another text."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ParameterError(
            f"{text!r} is not a quantity of Kubernetes", remedy="Write it as 500m, 2, 512Mi or 10Gi."
        )
    number, exponent, unit = match.groups()
    return Decimal(f"{number}{exponent or ''}") * _FACTORS.get(unit or "", Decimal(1))
