"""What the pipeline runs on kind and changes roles: section 9 in all its ways, then 12 and 12.10."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgnb.runbook.records import Archive
from pgnb.runbook.verdict import Verdict
from tests.notebooks import runs

pytestmark = pytest.mark.long

PARTS = ("failover", "logical", "cutover")
FAILOVER = ["02", "03", "09", "09", "09", "00"]
LOGICAL = [
    "12_00_logical_replication",
    "12_07_add_table",
    "12_08_add_database",
    "12_09_logical_troubleshooting",
]


def test_roles_are_exchanged_and_come_back_then_clients_are_led_to_the_subscriber(
    given: dict[str, str], executed: Path
) -> None:
    records = runs.pipeline(PARTS, given["kubeconfig"], executed)
    assert [record.notebook[:2] for record in records[: len(FAILOVER)]] == FAILOVER
    assert [record.notebook for record in records[len(FAILOVER) :]] == [*LOGICAL, "12_10_logical_failover"]
    assert {record.verdict for record in records} == {Verdict.PASSED}
    assert Archive(executed / "records").verify() == []
