"""The end of a record that a kernel in JupyterLab kept: its verdict, its page and its seal."""

from __future__ import annotations

from pgnb.runbook import pages, verdict
from pgnb.runbook.records import Archive, Record, concluded
from pgnb.runbook.verdict import Verdict


def conclude(archive: Archive, record: Record, error: str) -> Record:
    """Seal the record of a run in JupyterLab, with its page. `error` names its last cell's exception."""
    folder = archive.path(record)
    evidence = verdict.read(folder / "journal.jsonl")
    judged: Verdict = verdict.judge(evidence, error=error)
    plots = pages.write(folder) if (folder / "notebook.ipynb").exists() else ()
    said = (folder / "error.txt").read_text("utf-8").strip() if (folder / "error.txt").exists() else ""
    ended = concluded(record, evidence, judged, error=said, plots=plots)
    pages.put_summary(archive, ended)
    sealed = archive.seal(ended)
    pages.write_index(archive)
    return sealed
