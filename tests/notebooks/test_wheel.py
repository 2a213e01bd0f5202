"""The wheel, as an operator gets it: built, installed in an empty environment, and run outside the clone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notebooks.runs import NAMESPACE, ROOT

pytestmark = pytest.mark.long

_SOURCES = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "etc",
    "pgnb",
    "notebooks",
    "params",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the sources: a build leaves files beside what it builds."""
    sources, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in _SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, sources / name)
    _done(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(sources)]
    )
    (built,) = out.glob("pgnb-*.whl")
    return built


@pytest.fixture(scope="module")
def pgnb(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed from the wheel alone into an environment of its own."""
    environment = tmp_path_factory.mktemp("environment")
    _done([sys.executable, "-m", "venv", str(environment)])
    _done([str(environment / "bin/pip"), "install", "--quiet", str(wheel)])
    return environment / "bin/pgnb"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory outside the clone, with nothing of the clone's in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("PYTHONPATH", "PGNB_NOTEBOOKS", "PGNB_RECORDS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_it_knows_its_notebooks(pgnb: Path, elsewhere: Path) -> None:
    assert "primary_selector" in _done([str(pgnb), "parameters", "02"])


def test_it_lacks_the_rehearsal_and_says_how_to_get_it(pgnb: Path, elsewhere: Path) -> None:
    done = subprocess.run([str(pgnb), "rehearsal", "up"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "pip install ./rehearsal" in done.stderr


def test_it_runs_a_notebook_on_a_cluster(pgnb: Path, elsewhere: Path, given: dict[str, str]) -> None:
    options = [option for name, value in given.items() for option in ("-p", name, value)]
    _done([str(pgnb), "run", "00", "01", *options, "--no-progress"])
    records = [json.loads(path.read_text()) for path in sorted(Path("records").glob("*/record.json"))]
    assert [record["verdict"] for record in records] == ["passed", "passed"]
    assert {record["facts"]["namespace"] for record in records} == {NAMESPACE}


def test_its_notebooks_can_be_copied_out_for_jupyterlab(pgnb: Path, elsewhere: Path) -> None:
    assert "jupyter lab --notebook-dir=mine/notebooks" in _done([str(pgnb), "notebooks", "mine"])
    for folder in ("notebooks", "params"):
        names = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
        assert {path.name for path in Path("mine", folder).iterdir()} == names


def test_papermill_runs_them_without_a_warning(pgnb: Path, elsewhere: Path, given: dict[str, str]) -> None:
    _done([str(pgnb), "notebooks", "mine"])
    options = [option for name, value in given.items() for option in ("-p", name, value)]
    command = [str(pgnb.with_name("papermill")), "mine/notebooks/00_overview.ipynb", "out.ipynb", *options]
    said = _done(command)
    assert "Executing notebook with kernel" in said
    assert "warn" not in said.lower()


def test_the_other_distribution_adds_the_rehearsal(
    pgnb: Path, elsewhere: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The last one here: the environment has its commands from now on."""
    sources = tmp_path_factory.mktemp("sources")
    shutil.copytree(ROOT / "rehearsal", sources, dirs_exist_ok=True)
    _done([str(pgnb.with_name("pip")), "install", "--quiet", str(sources)])
    said = _done([str(pgnb), "--help"])
    assert "rehearsal" in said and "rehearse" in said
    assert "--many-users" in _done([str(pgnb), "rehearsal", "up", "--help"])


def _done(command: list[str]) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
