"""A run of the benchmarks goes on after a row that failed, and knows what a process used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.figures import Figure
from benchmarks.ground import Ground, Size
from benchmarks.measured import measured_runs

GROUND = Ground(Path("kubeconfig"), "context", "rehearsal", Path("folder"))


def broken(_ground: Ground, _size: Size) -> list[Figure]:
    raise ValueError("no room")


def working(_ground: Ground, _size: Size) -> list[Figure]:
    return [Figure("works", "w", "p", [1.0])]


def test_a_row_that_fails_is_named_and_the_others_are_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "ROWS", {"fails": broken, "works": working})
    page = tmp_path / "docs" / "page.md"
    run = command.Run(Size(), page)
    run.measure(GROUND, ["fails", "works"], "here")
    text = page.read_text("utf-8")
    assert "- fails: no room" in text
    assert "| works | w | 1 s |" in text


def test_a_row_that_takes_long_has_fewer_repetitions() -> None:
    assert [Size(repetitions=5).at_most(3), Size(repetitions=2).at_most(3), Size(quick=True).at_most(3)] == [
        3,
        2,
        1,
    ]


def test_a_process_tells_at_its_end_what_it_used(tmp_path: Path) -> None:
    used = (
        "import contextlib, http.client as h\n"
        "with contextlib.suppress(OSError): h.HTTPConnection('127.0.0.1', 9).request('GET', '/')\n"
        "filling = bytearray(80_000_000)\n"
    )
    with measured_runs(tmp_path) as (environment, found):
        given = os.environ | environment | {"PGNB_JOURNAL": str(tmp_path / "1_02" / "journal.jsonl")}
        subprocess.run([sys.executable, "-c", used], env=given, check=True)
        runs = found()
    assert [(run.run, run.requests, run.streams, run.statements) for run in runs] == [("1_02", 1, 0, 0)]
    assert runs[0].peak > 80_000_000
