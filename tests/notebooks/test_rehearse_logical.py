"""`pgnb rehearse logical`, whole: what a person calls before the real thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pgnb.cli import main
from pgnb.runbook.catalogue import number_of
from pgnb.runbook.records import Archive
from pgnb_rehearsal import lifecycle

pytestmark = pytest.mark.long

RUNS = ["12", "12_07", "12_08", "12_09", "12_09", "12_07", "12_09", "12_10"]


def test_section_12_is_practised_from_the_first_check_to_reverse_replication(
    tmp_path: Path, state_home: Path
) -> None:
    place = ["--name", "practice", "--state-home", str(state_home), "--records", str(tmp_path)]
    result = CliRunner().invoke(main, ["rehearse", "logical", *place])
    assert result.exit_code == 0, result.output
    archive = Archive(tmp_path)
    assert [number_of(record.notebook) for record in archive.all()] == RUNS
    assert {record.verdict for record in archive.all()} == {"passed"}
    assert archive.verify() == []
    for trouble in ("a conflict stops the apply", "a table is missing on the subscriber", "the slot is lost"):
        assert f": {trouble}: " in result.output
    acknowledged = re.findall(r"client  ([\d,]+) rows acknowledged", result.output)
    found = re.findall(r"found   ([\d,]+) on", result.output)
    assert len(acknowledged) == 2
    assert found == [count for count in acknowledged for _ in range(2)]
    assert result.output.count("keys    no duplicates") == 2
    assert "guarantee kept: no acknowledged row is missing" in result.output
    assert (tmp_path / "index.html").exists()
    assert lifecycle.status("practice", state_home=state_home) is None
