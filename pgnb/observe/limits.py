"""Limits of lag: one set for the plots, the checks and the alert rules."""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.core.errors import ParameterError
from pgnb.postgres.config.values import normalise


@dataclass(frozen=True)
class Limits:
    """The largest acceptable lag: WAL behind (bytes), time behind (seconds), WAL kept by a slot (bytes)."""

    lag_bytes: int
    lag_seconds: float
    retained_bytes: int


def limits(lag_bytes: str, lag_seconds: float, retained_bytes: str) -> Limits:
    """Return limits from texts in PostgreSQL's units: `"64MB"`, `30.0`, `"5GB"`.

    Raises ParameterError for an invalid size, or one that is not above 0.
    """
    if lag_seconds <= 0:
        raise ParameterError(
            "lag_seconds_limit must be above 0", found=f"{lag_seconds:g}", remedy="For example 30.0."
        )
    return Limits(_size("lag_bytes_limit", lag_bytes), lag_seconds, _size("retained_limit", retained_bytes))


def _size(name: str, text: str) -> int:
    """Return bytes from a text with a unit; the rules are those of a setting."""
    row = {
        "name": name,
        "vartype": "integer",
        "unit": "B",
        "min_val": "1",
        "max_val": str(2**62),
        "enumvals": [],
    }
    return int(normalise(row, text).value)
