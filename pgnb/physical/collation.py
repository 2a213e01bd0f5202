"""Check that two servers sort text alike; with another C library an index returns wrong results.

A physical standby has the primary's files, including its indexes. Source: the PostgreSQL wiki, "Locale data
changes"; the manual, "Collation Support".
"""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.checks import Check
from pgnb.physical import scripts
from pgnb.physical.data_directory import DataDirectory
from pgnb.postgres import Server
from pgnb.postgres.preflight import REINDEX

_REMEDY = (
    "Use the primary's image for the standby. Otherwise indexes on text are searched in another order"
    " than they"
    " were built in, and miss rows without an error."
)


def library_checks(primary: Server, state: DataDirectory | None) -> Iterator[Check]:
    """Compare the C libraries of both images, if a database sorts by them."""
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
    """Compare the candidate's collation versions with the primary's and with the recorded ones.

    Only a difference between both servers stops the run, since both may have the same newer image. Without a
    primary (None) it is advice, since there may be no other candidate.
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
            f"Its indexes were built with another version. After the promotion: {REINDEX}",
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
        f"The image's libc or ICU changed after the indexes were built: {REINDEX}",
        advice=True,
    )


def _names(databases: set[str], none: str) -> str:
    return ", ".join(sorted(databases)) or none
