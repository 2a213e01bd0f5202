"""Records as runs leave them, made without a run."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

from pgnb.core.journal import Journal
from pgnb.runbook.record import Record
from pgnb.runbook.records import Archive, concluded
from pgnb.runbook.verdict import Verdict, judge, read

_numbers = itertools.count(1)


def sealed(
    archive: Archive,
    notebook: str = "00_overview",
    *,
    journal: object = None,
    verdict: Verdict | None = None,
    error: str = "",
    started: str = "",
) -> Record:
    """Return a sealed record of a run; `journal` is called with the journal that the run writes."""
    opened = archive.open(archive.folder.parent / f"{notebook}.ipynb", {"namespace": "shop"})
    name = f"{opened.name}-{os.getpid()}-{next(_numbers)}"  # Two may be opened in the same millisecond.
    archive.path(opened).rename(archive.folder / name)
    record = replace(opened, name=name, started=started or opened.started)
    folder = archive.path(record)
    written = Journal(folder / "journal.jsonl")
    if callable(journal):
        journal(written)
    written.finished()
    (folder / "notebook.ipynb").write_text("{}", "utf-8")
    (folder / "pages").mkdir()
    (folder / "pages" / "one.html").write_text(f"<p>{name}</p>", "utf-8")
    evidence = read(folder / "journal.jsonl")
    return archive.seal(concluded(record, evidence, verdict or judge(evidence), error=error))


def server(journal: Journal, pod: str = "primary-0", **facts: object) -> None:
    """Write a server into a journal, a primary of 17.6 unless `facts` say another."""
    usual = {"postgresql": "17.6", "role": "primary", "system_identifier": "7", "timeline": 1}
    journal.server(pod, **(usual | facts))
