"""What the Containerfile promises: no root, one place to write, and a build that has what it copies."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests import containerfile
from tests.containerfile import ROOT

BUILD, LAST = containerfile.stages(given={"REVISION": "abc", "VERSION": "1.2.3"})
CONFIG = containerfile.configuration(LAST)
VARIABLES = dict(variable.split("=", 1) for variable in CONFIG["Env"])


def test_it_is_pgnb_by_a_number_that_is_not_root() -> None:
    assert CONFIG["Entrypoint"] == ["pgnb"]
    assert CONFIG["User"] == "10001:10001"
    assert CONFIG["StopSignal"] == "SIGTERM"
    assert VARIABLES["PATH"].startswith("/opt/pgnb/bin:/usr/local/bin:")


def test_what_is_written_lies_below_one_directory() -> None:
    work = CONFIG["WorkingDir"]
    assert work == "/work"
    for name in ("HOME", "TMPDIR", "PGNB_RECORDS"):
        assert f"{VARIABLES[name]}/".startswith(f"{work}/")
    assert VARIABLES["PYTHONDONTWRITEBYTECODE"] == "1"


def test_it_says_what_it_was_built_from() -> None:
    assert CONFIG["Labels"]["org.opencontainers.image.revision"] == VARIABLES["PGNB_COMMIT"] == "abc"
    assert CONFIG["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    of_itself = containerfile.configuration(containerfile.stages()[-1])["Labels"]
    assert f'version = "{of_itself["org.opencontainers.image.version"]}"' in project


def test_the_base_is_a_tag_and_can_be_a_digest() -> None:
    assert BUILD.base == LAST.base
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+", BUILD.base)
    pinned = containerfile.stages(given={"PYTHON": "python@sha256:0"})
    assert {stage.base for stage in pinned} == {"python@sha256:0"}


def test_the_build_has_each_file_that_it_copies() -> None:
    copied = [source for _, sources, _ in BUILD.copied for source in sources]
    assert {"pgnb", "notebooks", "params", "etc", "requirements.lock"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not containerfile.ignored(source), source


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        "records/0001/journal.jsonl",
        "rehearsal/pyproject.toml",
        "tests/conftest.py",
        "pgnb/core/__pycache__/plan.cpython-313.pyc",
        "notebooks/.ipynb_checkpoints/x.ipynb",
        "params/production.yaml",
    ],
)
def test_what_a_working_copy_holds_besides_stays_out(path: str) -> None:
    assert containerfile.ignored(path)


def test_everything_that_is_carried_is_let_in() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "pgnb", "notebooks", "params", "etc"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(tracked) > 300
    assert [path for path in tracked if containerfile.ignored(path)] == []
