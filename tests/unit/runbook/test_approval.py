"""A plan, its request, a signature by somebody else, and a run that carries out just that plan."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pgnb.cli import main
from pgnb.core.errors import NotApproved, ParameterError
from pgnb.runbook import approval, runner
from pgnb.runbook.approval import Policy, Request
from pgnb.runbook.plans import plan_of
from pgnb.runbook.records import Archive, Record

ASKER, APPROVER = "alice@example.com", "bob@example.com"
CHANGES = """from pathlib import Path
from pgnb.core.plan import Change, Step
journal.dry_run = dry_run == "true"
file = Path(place)
change = Change("a file", journal, file.read_text(), wanted, [
    Step("file", "write it", lambda: str(file.write_text(wanted)))], undo_text="write it back")
change.apply()"""
PARAMETERS = """dry_run: str = "auto"  # true: plan only
place: str = ""  # a file
wanted: str = "new"  # its content
"""


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The folder of two SSH keys and of the file that says whose they are."""
    folder = tmp_path / "keys"
    folder.mkdir()
    lines = []
    for name in (ASKER, APPROVER):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(argv, check=True)
        public = (folder / f"{name}.pub").read_text().split()
        lines.append(f"{name} {public[0]} {public[1]}\n")
    (folder / "allowed_signers").write_text("".join(lines))
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """What the plan would change."""
    path = tmp_path / "target"
    path.write_text("old")
    return path


class Board:
    """A notebook, its archive, and the commands that a person gives."""

    def __init__(self, notebook: Path, folder: Path, keys: Path, target: Path) -> None:
        self.notebook, self.folder, self.keys, self.target = notebook, folder, keys, target
        self.archive = Archive(folder)

    def plan(self) -> Record:
        values = {"dry_run": "true", "place": str(self.target)}
        return runner.run(self.notebook, values, self.archive, progress=False)

    def request(self, number: int, **window: datetime) -> Request:
        now = datetime.now(UTC)
        opens, closes = window.get("opens", now), window.get("closes", now + timedelta(hours=1))
        record = next(one for one in self.archive.all() if one.number == number)
        return approval.request(
            self.archive, record, asker=ASKER, ticket="OPS-1", reason="more WAL", opens=opens, closes=closes
        )

    def approve(self, number: int, who: str = APPROVER) -> approval.Approval:
        return approval.approve(self.archive, number, self.keys / who, self.signers)

    @property
    def signers(self) -> Path:
        return self.keys / "allowed_signers"

    def command(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "--records", str(self.folder)])

    def carry_out(self, number: int) -> Result:
        arguments = ("--approved", str(number), "--signers", str(self.signers), "--no-progress")
        return self.command("run", str(self.notebook), *arguments)


@pytest.fixture
def board(make_notebook: Callable[..., Path], tmp_path: Path, keys: Path, target: Path) -> Board:
    notebook = make_notebook(CHANGES, "finish(run)", parameters=PARAMETERS)
    return Board(notebook, tmp_path / "records", keys, target)


def test_an_approved_plan_is_carried_out_and_its_record_says_who_asked_and_who_approved(board: Board) -> None:
    number = board.plan().number
    board.request(number)
    assert board.approve(number).approver == APPROVER
    done = board.carry_out(number)
    assert (done.exit_code, board.target.read_text()) == (0, "new"), done.output
    *_, last = board.archive.all()
    kept: dict[str, Any] = dict(last.approval)
    assert (kept["asker"], kept["approver"], kept["ticket"], kept["record"]) == (ASKER, APPROVER, "OPS-1", 1)
    assert kept["key"].startswith("SHA256:") and kept["beyond"] == []
    assert {"approval/request.json", "approval/request.json.sig", "approval/plan.json"} <= last.files.keys()
    assert board.archive.verify() == []


def test_the_same_plan_twice_has_one_digest(board: Board) -> None:
    one, other = board.plan(), board.plan()
    assert plan_of(board.archive, one).digest == plan_of(board.archive, other).digest
    board.target.write_text("else")
    later = plan_of(board.archive, board.plan())
    assert later.digest != plan_of(board.archive, one).digest


def test_a_plan_that_changed_meanwhile_stops_before_any_change_and_shows_what_differs(board: Board) -> None:
    number = board.plan().number
    board.request(number)
    board.approve(number)
    board.target.write_text("somebody else's")
    done = board.carry_out(number)
    assert (done.exit_code, board.target.read_text()) == (3, "somebody else's")
    assert "not any more the one that was approved" in done.output
    assert "-somebody else's" in done.output and "-old" in done.output


def test_without_a_signature_nothing_is_run(board: Board) -> None:
    number = board.plan().number
    board.request(number)
    done = board.carry_out(number)
    assert (done.exit_code, board.target.read_text()) == (3, "old")
    assert f"the plan of record {number} is not approved" in done.output
    assert len(board.archive.all()) == 1


def test_the_one_who_asks_cannot_approve(board: Board) -> None:
    number = board.plan().number
    board.request(number)
    with pytest.raises(NotApproved, match="signed by the one who asks"):
        board.approve(number, ASKER)
    assert not (approval.folder_of(board.archive, number) / "request.json.sig").exists()


def test_a_key_that_nobody_knows_does_not_approve(board: Board, tmp_path: Path) -> None:
    number = board.plan().number
    board.request(number)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(board.keys / "eve")], check=True)
    with pytest.raises(NotApproved, match="nobody's in"):
        board.approve(number, "eve")


@pytest.mark.parametrize(
    "changed", [pytest.param(name, marks=pytest.mark.long) for name in ("closes", "asker")] + ["digest"]
)
def test_a_request_that_was_changed_after_it_was_signed_does_not_hold(board: Board, changed: str) -> None:
    number = board.plan().number
    board.request(number)
    board.approve(number)
    path = approval.folder_of(board.archive, number) / "request.json"
    content = json.loads(path.read_text())
    content[changed] = {"closes": "2099-01-01T00:00:00+00:00"}.get(changed, f"{content[changed]}x")
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    done = board.carry_out(number)
    assert (done.exit_code, board.target.read_text()) == (3, "old")
    assert "does not hold" in done.output


def test_a_record_that_was_changed_after_it_was_approved_does_not_hold(board: Board) -> None:
    record = board.plan()
    board.request(record.number)
    board.approve(record.number)
    journal = board.archive.path(record) / "journal.jsonl"
    journal.write_text(journal.read_text().replace("write it", "remove it"))
    done = board.carry_out(record.number)
    assert (done.exit_code, board.target.read_text()) == (3, "old")
    assert "was changed after it was approved" in done.output


@pytest.mark.parametrize("hours", [-2, 2])
def test_outside_its_window_an_approval_does_not_count(board: Board, hours: int) -> None:
    number = board.plan().number
    now = datetime.now(UTC)
    opens = now + timedelta(hours=hours)
    board.request(number, opens=opens, closes=now + timedelta(hours=5))
    board.approve(number)
    later = now + timedelta(hours=6 if hours < 0 else 0)
    with pytest.raises(NotApproved, match="window"):
        approval.check(board.archive, number, board.signers, now=later)
    if hours > 0:
        assert board.carry_out(number).exit_code == 3


def test_only_a_plan_with_changes_can_be_asked_for(board: Board) -> None:
    board.target.write_text("new")
    applied = runner.run(
        board.notebook, {"dry_run": "false", "place": str(board.target)}, board.archive, progress=False
    )
    with pytest.raises(ParameterError, match="is no plan"):
        board.request(applied.number)


def test_the_request_page_shows_the_plan_in_both_languages(board: Board) -> None:
    number = board.plan().number
    folder = approval.folder_of(board.archive, number)
    for language, word in (("en", "Request for approval"), ("ja", "変更承認依頼")):
        asked = ("records", "request", str(number), "--ticket", "OPS-1", "--reason", "more WAL")
        done = board.command(*asked, "--asker", ASKER, "--lang", language)
        assert done.exit_code == 0, done.output
        page = (folder / "request.html").read_text("utf-8")
        assert word in page and "write it back" in page and "OPS-1" in page and "+new" in page


def test_a_namespace_may_take_approved_changes_only() -> None:
    policy = Policy.of({"namespaces": ["prod-*"], "signers": "/etc/pgnb/allowed_signers"})
    assert policy == Policy(("prod-*",), "/etc/pgnb/allowed_signers")
    for wrong in ("prod", {"namespace": ["a"]}, {"namespaces": "prod"}, {"namespaces": [""]}):
        with pytest.raises(ParameterError, match="approval cannot be read"):
            Policy.of(wrong)
