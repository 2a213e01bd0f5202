"""`pgnb rehearse`, whole: the first command of a newcomer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pgnb.cli import main
from pgnb.runbook.records import Archive
from pgnb_rehearsal import lifecycle

pytestmark = pytest.mark.long

RUNS = ["00", "01", "02", "03", "04", "05", "06", "07", "08", "10", "11", "00"]


def test_the_physical_procedure_is_practised_and_keeps_its_guarantee(
    tmp_path: Path, state_home: Path
) -> None:
    place = ["--name", "first", "--state-home", str(state_home), "--records", str(tmp_path)]
    result = CliRunner().invoke(main, ["rehearse", *place])
    assert result.exit_code == 0, result.output
    archive = Archive(tmp_path)
    assert [record.notebook[:2] for record in archive.all()] == RUNS
    assert {record.verdict for record in archive.all()} == {"passed"}
    acknowledged = re.findall(r"client  ([\d,]+) rows acknowledged \(sample-writer\)", result.output)
    assert len(acknowledged) == 1
    assert int(acknowledged[0].replace(",", "")) > 100
    assert re.findall(r"found   ([\d,]+) on", result.output) == acknowledged * 2
    longest = r"gap     \d.* at \d\d:\d\d:\d\d UTC, the longest in its writes\nran     .+\n"
    assert re.search(longest, result.output)
    assert "machine an idle process beside the client was " in result.output
    assert "keys    no duplicates" in result.output
    kept = "guarantee kept: no acknowledged row is missing, and no write was interrupted by the procedure"
    assert kept in result.output
    page = (tmp_path / "index.html").read_text("utf-8")
    assert kept in page
    assert 'class="summary"' in page
    assert (tmp_path / "client-1.png").stat().st_size > 10_000
    assert lifecycle.status("first", state_home=state_home) is None
