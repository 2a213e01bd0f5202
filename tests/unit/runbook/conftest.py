from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

START = (
    "from pgnb.core.journal import Journal\nfrom pgnb.core.evidence import finish\n"
    "from types import SimpleNamespace\n"
    "journal = Journal.from_environment()\nrun = SimpleNamespace(journal=journal)"
)
PARAMETERS = """rows: int = 1000  # how many
name: str = "x # y"  # a name, with a # in it
rate: float = 0.5  # a second
safe: bool = True
tables: list[str] = []  # tables
settings: dict[str, str] = {"a": "b=c"}
"""


@pytest.fixture
def make_notebook(tmp_path: Path) -> Callable[..., Path]:
    """Writes a notebook of the given cells behind a parameters cell and one that opens the journal."""

    def make(*cells: str, parameters: str | None = PARAMETERS, name: str = "02_sample") -> Path:
        notebook = nbformat.v4.new_notebook()
        if parameters is not None:
            first = nbformat.v4.new_code_cell(parameters)
            first.metadata["tags"] = ["parameters"]
            notebook.cells.append(first)
        notebook.cells += [nbformat.v4.new_code_cell(source) for source in (START, *cells)]
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    return make
