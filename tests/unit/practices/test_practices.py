"""The summary of section 11: the title counts missing practices, also if the run passes."""

from __future__ import annotations

from types import SimpleNamespace

from pgnb.core.checks import Check, Checks, gate, verify
from pgnb.core.journal import Journal
from pgnb.practices.practices import missing_practices


def run(*tables: tuple[str, list[bool]]) -> SimpleNamespace:
    journal = Journal()
    for title, kept in tables:
        verify(Checks.of(title, [Check("a practice", ok, "", advice=True) for ok in kept], journal))
    gate(Checks.of("not a practice", [Check("x", True, "")], journal))
    return SimpleNamespace(journal=journal)


def test_what_is_missing_stands_in_the_title():
    table = missing_practices(run(("Backups", [False, False, True]), ("Monitoring", [True])))
    assert table.title == "2 of 4 practices are missing"
    assert [tuple(map(str, row)) for row in table.rows] == [("Backups", "2 of 3"), ("Monitoring", "0 of 1")]
    assert missing_practices(run(("Backups", [False, True]))).title == "1 of 2 practices is missing"


def test_nothing_missing_is_said_too():
    assert missing_practices(run(("Backups", [True]))).title == "No practice of 1 is missing"
