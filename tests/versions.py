"""The major versions of PostgreSQL that the tests of versions run on; all others run on `USUAL`."""

from __future__ import annotations

import os

USUAL = 17
_WHEELS = (16, 18)
"""The other majors that the extra `test` of pyproject brings, on whatever machine."""


def majors() -> tuple[int, ...]:
    """The majors beside `USUAL`, or those that PGNB_TEST_VERSIONS names, as in `14 16`."""
    named = os.environ.get("PGNB_TEST_VERSIONS")
    return tuple(sorted(int(word) for word in named.split())) if named else _WHEELS


def images() -> list[str]:
    """The same as images."""
    return [f"postgres:{major}" for major in majors()]
