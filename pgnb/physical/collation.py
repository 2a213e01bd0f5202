"""Whether the same bytes are sorted alike on two servers: under another C library an index answers wrong.

A physical standby has the primary's files, indexes among them. Source: the PostgreSQL wiki, "Locale data
changes"; the manual, 24.2.2 (collation versions).
"""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.checks import Check
from pgnb.physical import scripts
from pgnb.physical.data_directory import DataDirectory
from pgnb.postgres import Server
from pgnb.postgres.preflight import REINDEX

_REMEDY = (
    "Give the standby the primary's image: indexes on text would be searched in another order than they were"
    " built in, and miss rows without an error."
)


def library_checks(primary: Server, state: DataDirectory | None) -> Iterator[Check]:
    """The C library of the standby's image and of the primary's, where databases are sorted by it."""
    there = state.found.get("libc", "") if state is not None else ""
    if not there:
        return
    here = DataDirectory.of(primary.cluster.exec(primary.pod, scripts.argv("libc")).text).found["libc"]
    sorted_by_it = [str(row["database"]) for row in primary.query("physical/libc_databases")]
    yield Check(
        "C library",
        here == there or not sorted_by_it,
        there,
        here,
        f"{_REMEDY} Databases: {', '.join(sorted_by_it)}.",
    )


def collation_checks(candidate: Server, primary: Server | None = None) -> Iterator[Check]:
    """The candidate's collation versions, held against the primary's and against the recorded ones.

    Only a difference between the two stops: both may have the same newer image, which a switchover does not
    make worse. Advice where the primary is lost (None): there may be no other candidate.
    """
    rows = candidate.query("physical/collation_versions")
    wrong = {
        str(row["database"])
        for row in rows
        if row["recorded"] is not None and row["recorded"] != row["actual"]
    }
    if primary is None:
        yield Check(
            "collation versions of the candidate",
            not wrong,
            _names(wrong, "as recorded"),
            "as recorded",
            f"It has another version than the one its indexes were built with. Once promoted: {REINDEX}",
            advice=True,
        )
        return
    there = {row["database"]: row["actual"] for row in primary.query("physical/collation_versions")}
    differ = {
        str(row["database"]) for row in rows if there.get(row["database"], row["actual"]) != row["actual"]
    }
    yield Check(
        "collation versions of the candidate",
        not differ,
        _names(differ, "the primary's"),
        "the primary's",
        f"Its image has another C library or ICU than the primary's. {_REMEDY}",
    )
    yield Check(
        "collation versions",
        not wrong - differ,
        _names(wrong - differ, "as recorded"),
        "as recorded",
        f"The image's libc or ICU changed under the indexes: {REINDEX}",
        advice=True,
    )


def _names(databases: set[str], none: str) -> str:
    return ", ".join(sorted(databases)) or none
