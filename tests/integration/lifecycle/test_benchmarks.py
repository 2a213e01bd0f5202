"""A row of the benchmarks, end to end. What it measured is not looked at: a test asserts no time."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_rows_are_measured_and_written(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    command = [sys.executable, "-m", "benchmarks", "--quick", "--out", str(page), "exec", "inserts"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    names = [line.split("|")[1].strip() for line in rows]
    assert names == ["row", "---", "exec", "inserts"]
    assert "- cluster: rehearsal" in page.read_text("utf-8")
