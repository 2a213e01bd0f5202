"""Plans of real notebooks: twice the same is one digest; a namespace that takes approved changes only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pgnb.cli import main
from pgnb.cluster import Cluster, connect
from pgnb.cluster.connecting import APPROVAL
from pgnb.postgres import Server
from pgnb.runbook import heads
from pgnb.runbook.plans import plan_of
from pgnb.runbook.records import Archive
from pgnb.runbook.verdict import Verdict
from tests.notebooks import runs
from tests.notebooks.runs import NAMESPACE

pytestmark = pytest.mark.long

ASKER, APPROVER = "alice@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The allowed_signers file; the approver's key lies beside it."""
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "approver")], check=True
    )
    kind, key = (folder / "approver.pub").read_text().split()[:2]
    (folder / "allowed_signers").write_text(f"{APPROVER} {kind} {key}\n")
    return folder / "allowed_signers"


@pytest.fixture
def approvals_required(given: dict[str, str]) -> Iterator[Cluster]:
    """The namespace with the label that asks for approval."""
    cluster = connect(**given, dry_run=False)
    cluster.patch("namespaces", NAMESPACE, {"metadata": {"labels": {APPROVAL: "required"}}}, "label")
    yield cluster
    cluster.patch("namespaces", NAMESPACE, {"metadata": {"labels": {APPROVAL: None}}}, "no label")
    cluster.close()


def command(archive: Archive, given: dict[str, str], *arguments: str) -> Result:
    pairs = [word for name, value in given.items() for word in ("-p", name, value)]
    where = ("--records", str(archive.folder))
    return CliRunner().invoke(main, [*arguments, *(pairs if "--approved" not in arguments else []), *where])


@pytest.mark.parametrize("number", ["02", "12"])
def test_the_same_plan_twice_has_one_digest(number: str, given: dict[str, str], archive: Archive) -> None:
    one, other = (runs.run(number, given, archive, dry_run="true") for _ in range(2))
    first, second = plan_of(archive, one), plan_of(archive, other)
    assert first.changes and first.difference(second) == ""


def test_without_approval_nothing_is_changed_where_it_is_required(
    given: dict[str, str], archive: Archive, approvals_required: Cluster
) -> None:
    record = runs.run("02", given, archive, dry_run="false")
    assert (record.verdict, record.changes, record.exit_code) == (Verdict.STOPPED, 0, 3)
    assert "takes approved changes only" in record.error and f"{APPROVAL}=required" in record.error


def test_an_approved_plan_is_carried_out_once(
    given: dict[str, str],
    archive: Archive,
    signers: Path,
    approvals_required: Cluster,
    primary: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGNB_ALLOWED_SIGNERS", str(signers))
    planned = command(archive, given, "run", "02", "--dry-run", "--no-progress")
    assert planned.exit_code == 0, planned.output
    number = str(archive.head()[0])
    where = ("--records", str(archive.folder))
    asked = ("records", "request", number, "--ticket", "OPS-7", "--reason", "a standby", "--asker", ASKER)
    for words in (asked, ("records", "approve", number, "--key", str(signers.with_name("approver")))):
        done = CliRunner().invoke(main, [*words, *where])
        assert done.exit_code == 0, done.output
    carried = command(archive, given, "run", "02", "--approved", number, "--no-progress")
    assert carried.exit_code == 0, carried.output
    record = max(archive.all(), key=lambda r: r.number)
    assert (record.verdict, record.approval["approver"], record.approval["beyond"]) == (
        Verdict.PASSED,
        APPROVER,
        [],
    )
    assert record.changes > 3 and "pgnb/practice" not in record.error
    again = command(archive, given, "run", "02", "--approved", number, "--no-progress")
    assert (again.exit_code, "not any more the one that was approved" in again.output) == (3, True)
    assert archive.verify() == []


def test_the_head_is_kept_in_an_annotation_of_the_namespace(
    given: dict[str, str], archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", given["kubeconfig"])
    runs.run("00", given, archive, dry_run="true")
    place = f"namespace:{NAMESPACE}"
    kept = heads.keep(archive, place)
    words, fault = heads.against(archive, place)
    assert (f"record {kept.number}" in words, fault) == (True, "")


def test_the_state_of_a_namespace_is_shown_on_one_screen(given: dict[str, str], archive: Archive) -> None:
    pairs = [word for name, value in given.items() for word in ("-p", name, value)]
    done = CliRunner().invoke(main, ["status", *pairs])
    assert done.exit_code == 0, done.output
    assert "postgres-primary" in done.output and "Given" not in done.output
