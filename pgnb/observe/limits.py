"""How much lag is too much: one set of limits for the plots, the checks and the alert rules."""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.core.errors import ParameterError
from pgnb.postgres.config.values import normalise


@dataclass(frozen=True)
class Limits:
    """The most that is well: WAL behind in bytes, time behind in seconds, WAL kept by a slot in bytes."""

    lag_bytes: int
    lag_seconds: float
    retained_bytes: int


def limits(lag_bytes: str, lag_seconds: float, retained_bytes: str) -> Limits:
    """Limits from what a person writes: `"64MB"`, `30.0`, `"5GB"`, in PostgreSQL's units.

    Raises ParameterError for what is no size, or not above 0.
    """
    if lag_seconds <= 0:
        raise ParameterError(
            "lag_seconds_limit must be above 0", found=f"{lag_seconds:g}", remedy="For example 30.0."
        )
    return Limits(_size("lag_bytes_limit", lag_bytes), lag_seconds, _size("retained_limit", retained_bytes))


def _size(name: str, text: str) -> int:
    """Bytes from a text with a unit; a parameter is read by the same rules as a setting."""
    row = {
        "name": name,
        "vartype": "integer",
        "unit": "B",
        "min_val": "1",
        "max_val": str(2**62),
        "enumvals": [],
    }
    return int(normalise(row, text).value)
