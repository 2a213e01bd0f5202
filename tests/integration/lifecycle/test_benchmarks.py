"""The rows of the benchmarks, end to end. What they measured is not looked at: a test asserts no time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.rows import ROWS

ROOT = Path(__file__).parents[3]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_row_is_measured_and_written(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    command = [sys.executable, "-m", "benchmarks", "--quick", "--out", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|") for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    names = [row[1].strip() for row in rows[2:]]
    assert [name for name in ROWS if not any(found.startswith(name) for found in names)] == []
    assert len(set(names)) == len(names)
    assert all(row[3].strip() != "–" for row in rows[2:])
    assert "- cluster: rehearsal, PostgreSQL 17" in page.read_text("utf-8")
