"""The end of a record: its verdict, its page and its seal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pgnb.runbook import pages, plans, verdict
from pgnb.runbook.approval import ApprovedPlan
from pgnb.runbook.records import Archive, Record, concluded
from pgnb.runbook.verdict import Verdict


def conclude(
    archive: Archive,
    record: Record,
    error: str,
    plots: Callable[[], tuple[str, ...]],
    *,
    stopped_by: Verdict | None = None,
    approved: ApprovedPlan | None = None,
) -> Record:
    """Seal a run's record with the verdict that its journal gives.

    `error` names the exception that ended a cell, `stopped_by` what else ended the run. `plots` returns the
    file names of the page's plots, once the page is written. With an approved plan the record says what was
    done beyond it.
    """
    folder = archive.path(record)
    evidence = verdict.read(folder / "journal.jsonl")
    if approved is not None:
        beyond = plans.beyond(approved.plan, evidence)
        record = replace(record, approval={**record.approval, "beyond": list(beyond)})
    judged = verdict.judge(evidence, error=error, stopped_by=stopped_by)
    said = (folder / "error.txt").read_text("utf-8").strip() if (folder / "error.txt").exists() else ""
    ended = concluded(record, evidence, judged, error=said, plots=plots())
    pages.put_summary(archive, ended)
    sealed = archive.seal(ended)
    pages.write_index(archive)
    return sealed
