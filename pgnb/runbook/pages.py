"""What a person opens: a record's HTML page and plots, and the index of all records."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from pgnb.core.display import format_duration
from pgnb.core.private import write_private
from pgnb.runbook import pageparts
from pgnb.runbook.jupyter import without_checkers
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.summary import summary_of

_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.IGNORECASE | re.DOTALL)
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="'
    "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"
    '">'
)


_COLOURS = {"good": "#1a7f37", "plan": "#0969da", "bad": "#cf222e"}


class Writer:
    """Writes the page of one record in a thread of its own, beside the run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "page")
        self._plots: Future[tuple[str, ...]] | None = None

    def prepare(self) -> None:
        """Load what a page takes."""
        self._thread.submit(_exporter)

    def begin(self) -> None:
        """Write the page: the executed notebook is complete."""
        notebook = self._folder / "notebook.ipynb"
        if notebook.exists() and notebook.stat().st_size:
            self._plots = self._thread.submit(write, self._folder)

    def plots(self) -> tuple[str, ...]:
        """The file names of the plots, once the page is written; none where no notebook was executed."""
        self._thread.shutdown()
        return self._plots.result() if self._plots else ()


@cache
def _exporter() -> Any:
    """What makes pages. It has made one of nothing: its templates are compiled and its languages known."""
    with without_checkers():
        from nbconvert.exporters.html import HTMLExporter
        from nbformat.v4 import new_notebook
    exporter = HTMLExporter(template_name="lab")
    exporter.from_notebook_node(new_notebook())
    return exporter


def write(folder: Path) -> tuple[str, ...]:
    """Write a record's page and its plots beside the executed notebook; the plots' file names."""
    with without_checkers():
        import nbformat
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    page, _ = _exporter().from_notebook_node(notebook)
    write_private(folder / "notebook.html", pageparts.folded(_alone(page)))
    names = []
    for number, image in enumerate(_images(notebook), 1):
        names.append(f"plot-{number:02d}.png")
        write_private(folder / names[-1], base64.b64decode(image))
    return tuple(names)


def put_summary(archive: Archive, record: Record) -> None:
    """Put the verdict and the answers on top of a record's page, before the record is sealed."""
    path = archive.path(record) / "notebook.html"
    if path.exists():
        both = (summary_of(archive, record), summary_of(archive, record, "ja"))
        page = pageparts.with_summary(path.read_text("utf-8"), *both, _COLOURS[_tone(record)])
        write_private(path, page)


def _alone(page: str) -> str:
    """The page without scripts, and with the order to load nothing from anywhere.

    nbconvert's template fetches require.js, MathJax and Mermaid from elsewhere: whoever serves them could
    read a record, or change what it shows.
    """
    return _SCRIPT.sub("", page).replace("<head>", f"<head>{_POLICY}", 1)


def _images(notebook: Any) -> Iterator[str]:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if image := output.get("data", {}).get("image/png"):
                yield image


def write_index(
    archive: Archive, *, summary: str = "", plots: Sequence[str] = (), failed: bool = False
) -> Path:
    """Write `index.html`: every record with its verdict, target, changes and plots, the newest first.

    `summary` and `plots` (file names in the archive's folder) stand above the records; red where it `failed`.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape  # The kernel is started before.

    loader = PackageLoader("pgnb.runbook", "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True)
    template = environment.get_template("index.html")
    records = sorted(archive.all(), key=lambda record: record.started, reverse=True)
    unreadable = archive.read()[1]
    if unreadable:
        summary = f"{summary} Left out, since it cannot be read: {'; '.join(unreadable)}.".strip()
    page = template.render(
        cards=[_card(archive, record) for record in records],
        summary=summary,
        plots=plots,
        failed=failed,
        format_duration=format_duration,
        tone=_tone,
    )
    archive.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = archive.folder / "index.html"
    write_private(path, page)
    return path


def _card(archive: Archive, record: Record) -> dict[str, Any]:
    """What the index shows of a record, and the text by which it is found."""
    summary, japanese = summary_of(archive, record), summary_of(archive, record, "ja")
    pairs = zip(summary.answers, japanese.answers, strict=True)
    answers = [(f"{one.question} · {other.question}", one.lines) for one, other in pairs]
    words = [record.notebook, record.verdict, record.name, str(record.number), record.error, summary.text]
    return {
        "record": record,
        "verdict": f"{summary.verdict} · {japanese.verdict}",
        "answers": answers,
        "words": " ".join(words).lower(),
        "servers": " ".join(str(server.get("pod", "")) for server in record.servers),
        "people": " ".join([record.who, *(str(record.approval.get(k, "")) for k in ("asker", "approver"))]),
    }


def _tone(record: Record) -> str:
    return {"passed": "good", "planned": "plan", "running": "plan", "planned, would stop": "plan"}.get(
        record.verdict, "bad"
    )
