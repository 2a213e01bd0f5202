"""The notebook as an operator runs it: green on a healthy pair, red with its finding on a broken one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from diagnosis_pair import NAME, PASSWORD, ROLE, SECRET, SLOT, DiagnosisPair, carry_out

from pgnb.postgres.roles import plan_role
from pgnb.runbook import catalogue, params, runner
from pgnb.runbook.records import Archive, Record

pytestmark = pytest.mark.long


def run(pair: DiagnosisPair, kubeconfig: Path, records: Path, dry_run: str) -> Record:
    (notebook,) = catalogue.select(["08"])
    given: dict[str, Any] = {
        "kubeconfig": str(kubeconfig),
        "namespace": pair.cluster.namespace,
        "dry_run": dry_run,
        "primary_selector": "app=primary",
        "primary_password_from": PASSWORD,
        "standby_selector": f"app={NAME}",
        "slot": SLOT,
        "application_name": NAME,
        "replication_role": ROLE,
        "replication_secret": SECRET,
        "min_free": 0.1,
    }
    return runner.run(notebook, params.validate(notebook, given, given), Archive(records), progress=False)


def test_green_when_healthy_red_when_broken_and_green_after_the_remedy(
    pair: DiagnosisPair, kubeconfig: Path, tmp_path: Path
) -> None:
    pair.healthy()
    assert run(pair, kubeconfig, tmp_path / "1", "false").verdict == "passed"
    assert run(pair, kubeconfig, tmp_path / "2", "true").verdict == "planned"
    pair.primary.execute("ALTER ROLE replicator PASSWORD 'another'", what="another password")
    pair.cut()
    pair.found("wrong-password")
    red = run(pair, kubeconfig, tmp_path / "3", "false")
    assert red.verdict == "failed"
    assert "the password is wrong" in red.error
    assert run(pair, kubeconfig, tmp_path / "4", "true").verdict == "failed"
    carry_out(plan_role(pair.primary, ROLE, SECRET))
    pair.healthy()
    assert run(pair, kubeconfig, tmp_path / "5", "false").verdict == "passed"
