"""The ground floor: journal, checks, plan, display and wait."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from pgnb.core.checks import Check, Checks, judge_at_end, verify
from pgnb.core.display import Cell, Table, diff_html, format_bytes, format_duration, format_value
from pgnb.core.errors import DeadlineExceeded, GateClosed, PgnbError, VerificationFailed
from pgnb.core.evidence import finish
from pgnb.core.journal import Journal
from pgnb.core.plan import Applied, Change, Confirmation, Step, gate
from pgnb.core.wait import wait_until


def _change(journal, done, **more):
    step = Step("server", "SELECT 1", lambda: done.append(1) or "1 row")
    return Change("try it", journal, before="a\nb", after="a\nc", steps=[step], **more)


def test_an_act_is_in_the_file_before_it_ends(tmp_path):
    journal = Journal(tmp_path / "j.jsonl")
    with journal.act("server", "do it") as act:
        assert json.loads((tmp_path / "j.jsonl").read_text())["kind"] == "begin"
        act.result = "did it"
    lines = [json.loads(line) for line in (tmp_path / "j.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["begin", "end"]
    assert lines[1]["result"] == "did it"
    assert lines[1]["seconds"] >= 0


def test_what_an_interrupt_came_to_is_journalled():
    journal = Journal()
    interrupt = KeyboardInterrupt()
    interrupt.add_note("PUTTING BACK FAILED: the server is away")
    with pytest.raises(KeyboardInterrupt), journal.act("db", "switch"):
        raise interrupt
    assert journal.entries[0].result == "KeyboardInterrupt. PUTTING BACK FAILED: the server is away"


def test_a_failed_act_is_journalled_and_goes_on_failing():
    journal = Journal()
    with pytest.raises(PgnbError, match="broke"), journal.act("server", "do it"):
        raise PgnbError("broke", found="this")
    assert (journal.entries[0].ok, journal.entries[0].result) == (False, "PgnbError: broke")


def test_apply_changes_once_and_says_how():
    journal, done = Journal(), []
    applied = _change(journal, done).apply()
    assert (applied.changed, applied.outcome, done) == (True, "changed", [1])
    assert journal.entries[0].result == "1 row"
    assert "SELECT 1" in str(applied)


def test_a_change_without_steps_changes_nothing():
    applied = Change("try it", Journal()).apply()
    assert (applied.changed, applied.outcome) == (False, "nothing to change")


def test_a_plan_only_run_changes_nothing_and_shows_the_diff():
    journal, done = Journal(dry_run=True), []
    change = _change(journal, done, confirmations=[Confirmation("allow_it", True, "It restarts.")])
    gate(change, allow_it=False)
    assert "plan only" in change.apply().outcome
    assert done == []
    assert "-b\n+c" in change.diff
    assert journal.entries == []


def test_a_dangerous_change_wants_its_confirmation_by_name():
    journal, done = Journal(), []
    change = _change(journal, done, confirmations=[Confirmation("allow_it", "claim-1", "It wipes.")])
    with pytest.raises(GateClosed, match="allow_it"):
        change.apply()
    with pytest.raises(GateClosed) as caught:
        gate(change, allow_it="claim-2")
    assert "allow_it = 'claim-1'" in caught.value.remedy
    with pytest.raises(GateClosed):
        gate(change, allow_that="claim-1")
    assert done == []
    assert gate(change, allow_it="claim-1").ok
    assert change.apply().changed


def test_the_facts_that_make_it_safe_are_read_right_before_acting():
    journal, done, calls = Journal(), [], []

    def precheck():
        calls.append(1)
        return Checks.of("safe?", [Check("is a standby", False, "primary", "standby", "Look.")], journal)

    change = _change(journal, done, precheck=precheck)
    assert calls == []
    with pytest.raises(GateClosed, match="safe"):
        change.apply()
    assert (calls, done) == ([1], [])


def test_verify_raises_with_found_wanted_and_remedy_unless_only_planned():
    items = [Check("rows", False, 3, 5, "Wait."), Check("idea", False, 1, 2, advice=True)]
    with pytest.raises(VerificationFailed) as caught:
        verify(Checks.of("after", items, Journal()))
    assert (caught.value.found, caught.value.remedy) == ("rows: 3 (wanted 5)", "Wait.")
    assert verify(Checks.of("after", items[1:], Journal())).ok


def test_a_plan_excuses_a_missing_effect_and_no_observation():
    items = [Check("rows", False, 3, 5, "Wait.")]
    journal = Journal(dry_run=True)
    with pytest.raises(VerificationFailed):
        verify(Checks.of("before", items, journal))
    _change(journal, []).apply()
    assert not verify(Checks.of("after", items, journal)).ok
    with pytest.raises(VerificationFailed):
        verify(Checks.of("seen", items, journal, observed=True))
    assert "Not judged, because it depends on changes that were only planned: after" in str(
        finish(SimpleNamespace(journal=journal))
    )


def test_a_gate_says_what_the_run_has_changed_and_how_to_take_it_back():
    journal = Journal()
    checks = Checks.of("go on", [Check("safe", False, "no", "yes", "Look.")], journal)
    with pytest.raises(GateClosed, match="stopped before anything was changed") as before:
        gate(checks)
    assert before.value.changed == ""
    _change(journal, [], undo_text="take it out again").apply()
    with pytest.raises(GateClosed, match="stopped after 1 changes of this run") as after:
        gate(checks)
    assert "server: SELECT 1" in str(after.value)
    assert "to undo try it: take it out again" in str(after.value)


def test_several_remedies_name_their_checks():
    items = [Check("role", False, "no", "yes", "Make it."), Check("slot", False, "no", "yes", "Drop it.")]
    with pytest.raises(GateClosed) as caught:
        gate(Checks.of("go on", items, Journal()))
    assert caught.value.remedy == "role: Make it.\nslot: Drop it."


def test_what_the_run_made_for_itself_and_removed_is_no_change():
    journal = Journal()
    with journal.temporary("pod/helper"), journal.act("pod/helper", "create"):
        pass
    assert len(journal.changes) == 1
    with journal.act("pod/helper", "put a file onto the volume"):
        pass
    with journal.temporary("pod/helper", removes=True), journal.act("pod/helper", "delete"):
        pass
    assert list(journal.changes) == ["pod/helper: put a file onto the volume"]


def test_an_act_that_failed_or_never_ended_may_be_a_change():
    journal = Journal()
    with pytest.raises(ZeroDivisionError), journal.act("db", "fails"):
        _ = 1 / 0
    journal.act("db", "is killed").__enter__()
    assert journal.changes.possible == ("db: fails", "db: is killed")


def test_a_measurement_is_judged_at_the_end(capsys):
    journal = Journal()
    judge_at_end(Checks.of("client", [Check("longest gap", False, "9 s", "at most 5 s")], journal))
    verify(Checks.of("after", [Check("rows", True, 5, 5)], journal))
    with pytest.raises(VerificationFailed, match="reached its end") as caught:
        finish(SimpleNamespace(journal=journal))
    assert caught.value.found == "client: longest gap"
    assert "judged at the end" in capsys.readouterr().out


def test_facts_and_a_gate_that_asks_nothing_are_no_passed_checks():
    journal = Journal()
    gate(Checks.of("facts", [Check.fact("build", "x86_64")], journal))
    gate(Checks.of("nothing", [], journal))
    shown = str(finish(SimpleNamespace(journal=journal)))
    assert "1 facts" in shown
    assert "no check was made" in shown
    assert "0 of 0" not in shown


def test_evidence_counts_the_checks_and_marks_the_end(tmp_path):
    journal = Journal(tmp_path / "j.jsonl")
    verify(Checks.of("after", [Check("rows", True, 5, 5)], journal))
    shown = finish(SimpleNamespace(journal=journal))
    assert "1 of 1" in str(shown)
    assert "Nothing was changed" in shown._repr_html_()
    assert json.loads((tmp_path / "j.jsonl").read_text().splitlines()[-1])["kind"] == "finished"


def test_the_journal_finds_its_file_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PGNB_JOURNAL", str(tmp_path / "j"))
    assert Journal.from_environment(dry_run=True) == Journal(tmp_path / "j", True)


def test_html_is_escaped():
    table = Table.of(("<a>",), [(Cell("<cell>", "bad"),)], title="<t>", note="<n>")
    for text in ("<a>", "<cell>", "<t>", "<n>"):
        assert text not in table._repr_html_()
    assert "<c>" not in diff_html("+<c>")
    assert isinstance(Applied("x", "<d>", True)._repr_html_(), str)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (1234, "1,234"), (0.12345, "0.123"), (timedelta(seconds=90), "90.0 s")],
)
def test_spell(value, text):
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 kB"),
        (1 << 30, "1.0 GB"),
        (1 << 60, "1024.0 PB"),
    ],
)
def test_format_bytes(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "12 ms"), (61, "61.0 s"), (600, "10 min 0 s"), (7260, "2 h 1 min")]
)
def test_format_seconds(seconds, text):
    assert format_duration(seconds) == text


def test_wait_until_returns_what_it_waited_for():
    states = iter([0, 1, 2, 3])
    assert wait_until("three", lambda: next(states), lambda n: n == 3, timeout=60, every=0.001) == 3


def test_what_helps_can_depend_on_what_was_seen_last() -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        wait_until("seven", lambda: 6, lambda n: n == 7, timeout=0.01, remedy=lambda n: f"add {7 - n}")
    assert caught.value.remedy == "add 1"


def test_wait_until_gives_up_at_the_deadline_with_what_was_seen_last():
    with pytest.raises(DeadlineExceeded, match="seven: not within 50 ms") as caught:
        wait_until("seven", lambda: 5, lambda n: n == 7, timeout=0.05, remedy="Wait longer.")
    assert (caught.value.found, caught.value.remedy) == ("5", "Wait longer.")
