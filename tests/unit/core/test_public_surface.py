"""What a cell may write: every name resolves, and the drivers are loaded only when they are needed."""

import re
import subprocess
import sys
from pathlib import Path

import pgnb


def test_every_name_resolves():
    assert sorted(pgnb.__all__) == pgnb.__all__
    for name in pgnb.__all__:
        assert getattr(pgnb, name) is not None


def test_editors_are_told_the_same():
    lines = [f"from {home} import {name} as {name}" for name, home in pgnb._HOME_OF.items()]
    stub = Path(pgnb.__file__).with_suffix(".pyi")
    assert sorted(stub.read_text("utf-8").splitlines()) == sorted(lines), f"write {stub.name} anew"


def test_nothing_else_is_promised():
    assert set(dir(pgnb)) == set(pgnb.__all__)


def test_the_notebooks_use_no_name_that_is_not_promised():
    folder = Path(__file__).parents[3] / "notebooks"
    used = {
        name for path in folder.glob("*.ipynb") for name in re.findall(r"\bpgnb\.(\w+)", path.read_text())
    }
    assert used - {"ipynb"} <= set(pgnb.__all__)


def test_importing_it_loads_no_driver():
    drivers = "{'psycopg', 'kubernetes', 'matplotlib', 'papermill'}"
    code = f"import pgnb, sys; print(sorted({drivers} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
