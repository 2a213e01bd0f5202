"""Whether the same bytes are sorted alike on two servers: under another C library an index answers wrong.

A physical standby has the primary's files, indexes among them. Source: the PostgreSQL wiki, "Locale data
changes"; the manual, 24.2.2 (collation versions).
"""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.checks import Check
from pgnb.replication import scripts
from pgnb.replication.judgement import DirectoryState
from pgnb.server import Server

_REMEDY = (
    "Give the standby the primary's image: indexes on text would be searched in another order than they were"
    " built in, and miss rows without an error."
)


def library_checks(primary: Server, state: DirectoryState | None) -> Iterator[Check]:
    """The C library of the standby's image and of the primary's, where databases are sorted by it."""
    there = state.found.get("libc", "") if state is not None else ""
    if not there:
        return
    here = DirectoryState.of(primary.cluster.exec(primary.pod, scripts.argv("libc")).text).found["libc"]
    sorted_by_it = [str(row["database"]) for row in primary.query("replication/libc_databases")]
    yield Check(
        "C library", here == there or not sorted_by_it, there, here,
        f"{_REMEDY} Databases: {', '.join(sorted_by_it)}.",
    )  # fmt: skip


def collation_checks(candidate: Server, *, planned: bool) -> Iterator[Check]:
    """The collation versions that the candidate's databases record, held against those that it has.

    Advice unless `planned`: where the primary is lost there may be no other candidate.
    """
    wrong = ", ".join(str(row["database"]) for row in candidate.query("replication/collation_mismatches"))
    yield Check(
        "collation versions of the candidate", not wrong, wrong or "as recorded", "as recorded",
        "Its image has another C library or ICU than that of the primary. After a promotion: REINDEX what"
        " depends on text, then ALTER DATABASE ... REFRESH COLLATION VERSION.",
        advice=not planned,
    )  # fmt: skip
