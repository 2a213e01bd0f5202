"""Collation versions before a change of roles: what stops it, and what is advice."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb.physical.collation import collation_checks


class Collations:
    """A server with one database: the version that it records, and the one that it has."""

    def __init__(self, recorded: str | None, actual: str | None) -> None:
        self.rows = [{"database": "shop", "recorded": recorded, "actual": actual}]

    def query(self, _name: str) -> list[dict[str, Any]]:
        return self.rows


@pytest.mark.parametrize(
    ("primary", "candidate", "stops", "told"),
    [
        (("2.36", "2.36"), ("2.36", "2.36"), False, False),
        (("2.36", "2.41"), ("2.36", "2.41"), False, True),  # Both have the same newer image.
        (("2.36", "2.36"), ("2.36", "2.41"), True, False),
        (("2.36", "2.41"), ("2.36", "2.36"), True, False),  # As recorded, but not as the primary writes now.
        (("2.36", "2.36"), ("2.36", None), True, False),  # musl has no version.
        ((None, None), (None, None), False, False),
    ],
)
def test_only_a_difference_between_the_servers_stops(
    primary: tuple[str, str], candidate: tuple[str, str], stops: bool, told: bool
) -> None:
    old: Any = Collations(*primary)
    new: Any = Collations(*candidate)
    gate, advice = collation_checks(new, old)
    assert (gate.stops, not advice.ok) == (stops, told)
    assert not advice.stops


def test_a_lost_primary_leaves_advice() -> None:
    new: Any = Collations("2.36", "2.41")
    (told,) = collation_checks(new)
    assert not told.ok and not told.stops
    assert "indexes were built with another version" in told.remedy
