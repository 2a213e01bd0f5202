"""Parameters by papermill's own command: what `pgnb run` refuses, the notebook's first cell refuses, too."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
import yaml
from click.testing import CliRunner
from papermill.cli import papermill

from pgnb.cli import main
from tests.notebooks.runs import notebook_of


def by_papermill(tmp_path: Path, text: str) -> tuple[int, str]:
    """The number of the cell that failed, and its error; the notebook is the one of section 2."""
    (tmp_path / "p.yaml").write_text(text)
    out = tmp_path / "out.ipynb"
    arguments = [str(notebook_of("02")), str(out), "-f", str(tmp_path / "p.yaml"), "--no-progress-bar"]
    assert CliRunner().invoke(papermill, arguments).exit_code == 1
    cells = [cell for cell in nbformat.read(out, as_version=4).cells if cell.cell_type == "code"]
    failed = [
        (number, "\n".join(output.traceback))
        for number, cell in enumerate(cells)
        for output in cell.outputs
        if output.output_type == "error"
    ]
    (found,) = failed
    return found


def by_pgnb_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    monkeypatch.setenv("PGNB_RECORDS", str(tmp_path / "records"))
    (tmp_path / "q.yaml").write_text(text)
    result = CliRunner().invoke(main, ["run", "02", "-f", str(tmp_path / "q.yaml")])
    assert result.exit_code == 2
    return result.output


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("settings: {hot_standby: on, wal_compression: off}", "settings must be dict[str, str]"),
        ("slot: 007", "slot must be str"),
        ("dry_run: nearly", "Use one of 'auto', 'false', 'true'"),
        ("primary_selctor: app=x", "Did you mean primary_selector"),
        ("password: hunter2", "a parameter is never a password"),
    ],
)
def test_each_is_refused_as_by_pgnb_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    cell, error = by_papermill(tmp_path, text)
    assert cell == 2  # Behind the parameters and those of papermill.
    assert words in error
    assert words in by_pgnb_run(tmp_path, monkeypatch, text)


def test_several_are_named_at_once(tmp_path: Path) -> None:
    given = {"settings": {"hot_standby": True}, "slot": 7, "dry_run": "nearly", "max_rate": "50M"}
    cell, error = by_papermill(tmp_path, yaml.safe_dump(given))
    assert cell == 2
    assert (
        "3 parameters cannot be used as given" in error
    )  # max_rate is another notebook's, of a shared file.
