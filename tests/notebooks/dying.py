"""Notebooks whose kernel dies: behind a cell, or in the middle of one, at an act that its journal has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nbformat

from tests.notebooks.runs import notebook_of

_AT_AN_ACT = """\
import os, signal
from pgnb.core.journal import Journal

_write = Journal.write

def write_and_die(journal, kind, content):
    _write(journal, kind, content)
    if kind == {moment!r} and {act!r} in content["what"] and content.get("ok", True):
        os.kill(os.getpid(), signal.SIGKILL)

Journal.write = write_and_die
"""
_NOW = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"


@dataclass(frozen=True)
class Death:
    """Where a kernel dies: behind the cell with the text `behind`, or at an act with the text `act`.

    An act's `moment` is its `begin` or its good `end`, once that is journalled.
    """

    act: str = ""
    moment: str = "begin"
    behind: str = ""


def dying(number: str, death: Death, folder: Path) -> Path:
    """A copy of the notebook that is the same but for its death."""
    path = notebook_of(number)
    notebook = nbformat.read(path, as_version=4)
    mark, source = "import pgnb", _AT_AN_ACT.format(act=death.act, moment=death.moment)
    if death.behind:
        mark, source = death.behind, _NOW
    (place,) = (n for n, c in enumerate(notebook.cells) if c.cell_type == "code" and mark in c.source)
    cell = nbformat.v4.new_code_cell(source)
    notebook.cells.insert(place + bool(death.behind), cell)
    copy = folder / path.name
    nbformat.write(notebook, copy)
    return copy
