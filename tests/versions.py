"""The major versions of PostgreSQL that the tests of versions run on; all others run on `USUAL`."""

from __future__ import annotations

import os

from pgnb.rehearsal.postgres.binaries import installations
from pgnb.server.facts import NEWEST, OLDEST

USUAL = 17


def majors() -> tuple[int, ...]:
    """The majors but `USUAL` that this machine has, or those that PGNB_TEST_VERSIONS names, as in `14 16`."""
    named = os.environ.get("PGNB_TEST_VERSIONS")
    if named:
        return tuple(sorted(int(word) for word in named.split()))
    found = {each.major for each in installations(for_others=os.geteuid() == 0)}
    return tuple(sorted(found & set(range(OLDEST, NEWEST + 1)) - {USUAL}))


def images() -> list[str]:
    """The same as images."""
    return [f"postgres:{major}" for major in majors()]
