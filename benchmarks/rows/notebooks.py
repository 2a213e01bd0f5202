"""Whole notebooks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from benchmarks.figures import Figure, in_turn
from benchmarks.ground import Ground, Size

_CELLS = (
    "from types import SimpleNamespace\n\n"
    "from pgnb.core.evidence import finish\nfrom pgnb.core.journal import Journal",
    "finish(SimpleNamespace(journal=Journal.from_environment()))",
)


def fixed_cost(ground: Ground, size: Size) -> Sequence[Figure]:
    """A notebook that only says that it reached its end."""
    notebook = _next_to_nothing(ground.folder / "nothing.ipynb")
    records = ["--records", str(ground.folder / "nothing"), "--no-progress"]
    mine, others = in_turn(
        lambda: ground.pgnb("run", str(notebook), *records),
        lambda: _papermill(notebook, ground.folder / "out.ipynb"),
        size.many(size.repetitions),
    )
    note = "pgnb also writes the record, the HTML page and the index."
    return [
        Figure(
            "notebook",
            "the fixed cost of a notebook",
            "plain papermill",
            mine,
            others,
            goal=1.5,
            absolute=True,
            note=note,
        )
    ]


def _papermill(notebook: Path, output: Path) -> None:
    command = [sys.executable, "-m", "papermill", str(notebook), str(output), "--no-progress-bar"]
    subprocess.run([*command, "--log-level", "ERROR"], check=True, capture_output=True)


def _next_to_nothing(path: Path) -> Path:
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    parameters = nbformat.v4.new_code_cell("rows: int = 1  # how many")
    parameters.metadata["tags"] = ["parameters"]
    notebook.cells = [parameters, *(nbformat.v4.new_code_cell(source) for source in _CELLS)]
    nbformat.write(notebook, path)
    return path
