"""What is put into an executed notebook's page: the verdict on top, contents, and what passed folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from pgnb.runbook.summary import Summary

_CELL = re.compile(r'<div class="jp-Cell jp-(?:Markdown|Code)Cell jp-Notebook-cell')
_HEADING = re.compile(r'<h([123]) id="([^"]+)">(.*?)(?:<a class="anchor-link".*?</a>)?</h\1>', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_NOTHING = ("nothing to change", "Nothing to change", "Nothing is checked here")
_CODE = "jp-CodeCell"
_SHOWN = 12
"""Lines of an answer that stand open."""
_STYLE = """<style>
#pgnb-verdict { font: 14px/1.55 "Noto Sans", "Noto Sans JP", system-ui, sans-serif; border: 1px solid #d1d9e0;
  border-left: 6px solid var(--tone); border-radius: 6px; padding: .8rem 1.2rem; margin: 1rem 2rem;
  color: #1f2328; background: #fff }
#pgnb-verdict h1 { font-size: 1.25rem; margin: 0 0 .5rem; color: var(--tone) }
#pgnb-verdict dl { display: grid; grid-template-columns: 17rem 1fr; gap: .25rem 1rem; margin: 0 }
#pgnb-verdict dt { color: #59636e } #pgnb-verdict dd { margin: 0; overflow-wrap: anywhere }
#pgnb-contents { font: 14px/1.6 "Noto Sans", "Noto Sans JP", system-ui, sans-serif; margin: 1rem 2rem }
#pgnb-contents li.h3 { margin-left: 1.5rem } #pgnb-contents ul { list-style: none; padding: 0; margin: 0 }
details.pgnb-skipped > summary { color: #59636e;
  font: 14px/1.6 "Noto Sans", "Noto Sans JP", system-ui, sans-serif; margin: .4rem 2rem; cursor: pointer }
@media print { details.pgnb-skipped { display: none } }
</style>"""
_OPEN = re.compile(r'<details class="pgnb-(passed|long)" open="">')
"""As nbconvert writes it down, whatever the order in which a cell gave the attributes."""


@dataclass(frozen=True)
class _Section:
    """Cells from one heading to the next; `start` and `end` are places in the page."""

    title: str
    start: int
    end: int


def with_summary(page: str, summary: Summary, japanese: Summary, tone: str) -> str:
    """Return the page with the answers on top, in both languages, and a table of contents."""
    facts = "".join(
        f"<dt>{escape(answer.question)} · {escape(other.question)}</dt><dd>{_lines(answer.lines)}</dd>"
        for answer, other in zip(summary.answers, japanese.answers, strict=True)
    )
    head = f"{escape(summary.verdict)} · {escape(japanese.verdict)}"
    record = summary.record
    number = f" #{record.number}" if record.number else ""
    title = f"{escape(record.notebook)}{number}: {head}"
    block = f'<section id="pgnb-verdict" style="--tone: {tone}"><h1>{title}</h1><dl>{facts}</dl></section>'
    return _after_body(page, f"{_STYLE}{block}{_contents(page)}")


def folded(page: str) -> str:
    """Return the page with what passed, long diffs, and sections in which nothing was to do, folded."""
    page = _OPEN.sub(r'<details class="pgnb-\1">', page)
    for section in reversed(list(_sections(page))):
        body = page[section.start : section.end]
        if _is_idle(body):
            summary = f"<summary>{escape(section.title)}: nothing to do · 変更なし</summary>"
            inside = f'<details class="pgnb-skipped">{summary}{body}</details>'
            page = page[: section.start] + inside + page[section.end :]
    return page


def _after_body(page: str, text: str) -> str:
    found = re.search(r"<body[^>]*>", page)
    return page[: found.end()] + text + page[found.end() :] if found else text + page


def _lines(lines: Sequence[str]) -> str:
    """Return the lines below each other; many are folded behind the first ones."""
    shown = "<br>".join(escape(line) for line in lines[:_SHOWN])
    if len(lines) <= _SHOWN:
        return shown
    more = "<br>".join(escape(line) for line in lines[_SHOWN:])
    return f"{shown}<details><summary>{len(lines) - _SHOWN} more · 他</summary>{more}</details>"


def _contents(page: str) -> str:
    items = "".join(
        f'<li class="h{level}"><a href="#{anchor}">{escape(_plain(text))}</a></li>'
        for level, anchor, text in _HEADING.findall(page)
        if level != "1"
    )
    return f'<nav id="pgnb-contents"><b>Contents · 目次</b><ul>{items}</ul></nav>' if items else ""


def _plain(text: str) -> str:
    return " ".join(_TAG.sub("", text).replace("¶", "").split())


def _sections(page: str) -> Iterator[_Section]:
    """The sections of level 2 and 3; the last one ends with the last cell."""
    starts = [found.start() for found in _CELL.finditer(page)]
    end = page.rfind("</main>") if "</main>" in page else len(page)
    bounds = [*starts, end]
    heads: list[tuple[int, str]] = []
    for start, after in pairwise(bounds):
        head = _HEADING.search(page, start, after)
        if head and head[1] in "23":
            heads.append((start, _plain(head[3])))
    places = [*(start for start, _ in heads), end]
    for (start, title), after in zip(heads, places[1:], strict=False):
        yield _Section(title, start, after)


def _is_idle(body: str) -> bool:
    """Whether a section planned something, and had nothing to change: its plan and its results say so."""
    cells = body.split(f'<div class="jp-Cell {_CODE}')[1:]
    shown = [cell for cell in cells if "jp-OutputArea-output" in cell]
    return bool(shown) and all(any(word in cell for word in _NOTHING) for cell in shown)
