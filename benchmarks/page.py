"""docs/benchmarks.md, as a run measured it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median

from benchmarks.figures import Figure

PAGE = "docs/benchmarks.md"
_HEAD = "| row | what | pgnb | peer | ratio: median [min–max] | goal | met | repetitions |"
_PACKAGES = ("pgnb", "papermill", "ipykernel", "jupyter-client", "nbconvert", "kubernetes", "psycopg")

_BEGINNING = """\
# Benchmarks

Written by `make bench`. Each row is measured beside its peer in the same run, in turn, so that the ratio says
more than the seconds do. pgnb and peer are medians; smaller is better unless the goal says `≥`.
"""
_END = """
## Measure it again

`make bench` measures every row and writes this page; `make bench ROWS="exec counts"` prints the page of these
rows. It starts a rehearsal cluster of its own. With `KUBECONFIG` set it measures on that cluster, where it
deploys the sample primary if it isn't there, and makes and deletes namespaces `pgnb-bench-…`.
`python -m benchmarks --help` shows the options. Whatever else the machine does is in the figures.

## What can't be compared

- Seconds of different machines, or of the rehearsal and a real Kubernetes: compare ratios of one run.
- On the rehearsal, client, API server, node and servers share one machine, its cores and disk: what a real
  cluster does beside pgnb is paid by pgnb's figure, and by its peer's.
- There a container starts in a fraction of a second, an exec takes milliseconds, and images are there. What a
  real node adds falls mostly on the procedure's commands, which make more execs.
- The rehearsal's network has no latency: round trips cost less than between machines.
"""


def page(figures: Sequence[Figure], *, target: str, seconds: float, failed: Sequence[str] = ()) -> str:
    """The whole page. `target` says on which cluster; `failed` are the rows that could not be measured."""
    lines = [
        _BEGINNING,
        *(f"- {name}: {value}" for name, value in _circumstances(target, seconds)),
        "",
        _HEAD,
        "|" + " --- |" * _HEAD.count(" | ") + " --- |",
        *(_line(figure) for figure in figures),
        "",
        "## How each row is measured",
        "",
        *(f"- **{figure.row}**: peer: {figure.peer}. {figure.note}".rstrip() for figure in figures),
    ]
    if failed:
        lines += ["", "## Not measured", "", *(f"- {row}" for row in failed)]
    return "\n".join([*lines, _END])


def _circumstances(target: str, seconds: float) -> list[tuple[str, str]]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("commit", _commit()),
        (
            "machine",
            f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.machine()}, {platform.system()}"
            f" {platform.release()}",
        ),
        ("load", f"{os.getloadavg()[2]:.1f} processes over the last 15 minutes"),
        ("cluster", target),
        ("versions", f"Python {platform.python_version()}, {versions}"),
        ("took", f"{seconds / 60:.1f} min"),
    ]


def _commit() -> str:
    """Return the commit that is measured; `-dirty` if anything but this page, written row by row, differs."""
    commit = _git("describe", "--always")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", f":(exclude){PAGE}")
    return f"{commit}{'-dirty' if changed else ''}" if commit else "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True).stdout.strip()


def _line(figure: Figure) -> str:
    ratios = figure.ratios
    spread = f"{_short(median(ratios))} [{_short(min(ratios))}–{_short(max(ratios))}]" if ratios else "–"
    met = {None: "–", True: "yes", False: "**no**"}[figure.met]
    cells = (
        figure.row,
        figure.what,
        _value(figure.ours, figure.unit),
        _value(figure.peers, figure.unit),
        spread,
        _goal(figure),
        met,
        str(len(figure.ours)),
    )
    return f"| {' | '.join(cells)} |"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return "–"
    sign = "≤" if figure.side == "at most" else "≥"
    return f"{sign} {figure.goal:g}{' ' + figure.unit if figure.absolute else ''}"


def _value(values: Sequence[float], unit: str) -> str:
    if not values:
        return "–"
    value = median(values)
    if unit == "s" and value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


def _short(value: float) -> str:
    return f"{value:.3g}"
