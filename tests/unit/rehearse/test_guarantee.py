"""What clients were told, held against what is there, against the machine, and against what ran meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pgnb.cluster import LogLine
from pgnb.core.journal import Journal
from pgnb.observe.write_log import DurabilityCheck, WriteLog, write_log_of
from pgnb.runbook import catalogue
from pgnb.runbook.records import Archive
from pgnb_rehearsal.drills.guarantee import ClientReport, Guarantee, Loss
from pgnb_rehearsal.drills.interruptions import Ran, acts_of, interruptions

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_DUPLICATE = 'ERROR:  duplicate key value violates unique constraint "heartbeat_pkey"'


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def word(*texts: str, missing: tuple[int, ...] = ()) -> ClientReport:
    lines = [LogLine(text, at(0.02 * n)) for n, text in enumerate(texts)]
    write_log = write_log_of("client", lines, at(0.02 * len(texts)))
    return ClientReport(write_log, (DurabilityCheck("server", write_log.acknowledged, missing),))


def client(
    *gaps: tuple[float, float], meter: Sequence[tuple[float, int]] = (), refused: Sequence[float] = ()
):
    """A client that writes every 20 ms for 20 s, except in `gaps` (from, to).

    `meter`: at which second the meter woke up how many milliseconds late.
    """
    times = [n * 0.02 for n in range(1000)]
    kept = [time for time in times if not any(start < time < end for start, end in gaps)]
    lines = [LogLine("meter: sleeps 0", at(0))]
    lines += [LogLine(str(number), at(time)) for number, time in enumerate(kept)]
    lines += [LogLine(f"meter: overslept {late} ms", at(time)) for time, late in meter]
    lines += [LogLine("FATAL:  terminating connection", at(time)) for time in refused]
    return write_log_of("client", lines, at(20))


def act(start: float, end: float, what: str = "LOCK TABLE heartbeat", *, allowed: bool = False) -> Ran:
    return Ran(at(start), at(end), "06_online_changes", what, allowed)


def guarantee(write_log: WriteLog, *ran: Ran) -> Guarantee:
    found = (DurabilityCheck("server", write_log.acknowledged, ()),)
    return Guarantee.of([ClientReport(write_log, found, ran)], Journal())


def test_a_guarantee_that_is_kept_tells_every_figure() -> None:
    told = Guarantee.of([word("1", "2", "3"), word("7", "8")], Journal())
    assert told.checks.ok
    gap = (
        "gap     20 ms (the machine's share was not measured) at 03:04:05 UTC, the longest in its writes",
        "ran     nothing of the procedure ran",
    )
    rest = (*gap, "machine not measured: no idle process beside the client", "keys    no duplicates")
    assert told.summary.splitlines() == [
        "client  3 rows acknowledged (client)",
        "found   3 on server",
        *rest,
        "client  2 rows acknowledged (client)",
        "found   2 on server",
        *rest,
        "guarantee kept: no acknowledged row is missing, and no write was interrupted by the procedure",
    ]


def test_the_loss_of_one_client_breaks_it() -> None:
    told = Guarantee.of([word("1", "2"), word("7", "8", missing=(8,))], Journal())
    assert "GUARANTEE BROKEN: acknowledged rows on server: 1; missing 8 (wanted 2)" in told.summary


def test_an_announced_loss_is_held_against_its_estimate_and_is_no_guarantee_kept() -> None:
    lost = [word("1", "2", "3", missing=(2, 3))]
    told = Guarantee.of(lost, Journal(), loss=Loss(2))
    assert told.checks.ok
    assert told.summary.endswith("\nloss was announced: 2 of at most 2 acknowledged rows; writing went on")
    assert "guarantee kept" not in told.summary
    unknown = Guarantee.of(lost, Journal(), loss=Loss(None))
    assert "loss was announced: 2 of an unknown number of acknowledged rows" in unknown.summary
    more = Guarantee.of(lost, Journal(), loss=Loss(1))
    assert not more.checks.ok
    assert (
        "GUARANTEE BROKEN: acknowledged rows on server: 2 missing (wanted at most 1 missing" in more.summary
    )


def test_a_failover_that_announced_a_loss_and_lost_nothing_kept_the_guarantee() -> None:
    told = Guarantee.of([word("1", "2")], Journal(), loss=Loss(188))
    assert "guarantee kept: no acknowledged row is missing" in told.summary


def test_a_duplicate_key_breaks_it() -> None:
    told = Guarantee.of([word("1", _DUPLICATE, _DUPLICATE, "2")], Journal())
    assert "keys    2 duplicates" in told.summary
    assert "duplicate keys: 2 (wanted 0)" in told.summary


def test_a_client_that_ended_breaks_it() -> None:
    silent = write_log_of("client", [LogLine("1", at(0)), LogLine("2", at(0.02))], at(60))
    told = guarantee(silent)
    assert not told.checks.ok
    assert "the client kept writing: 2 rows, none since 03:04:05 UTC" in told.summary


def test_a_second_in_which_a_statement_of_the_procedure_held_the_rows_breaks_it() -> None:
    told = guarantee(client((5, 6)), act(4.9, 6.1))
    assert not told.checks.ok
    assert (
        "GUARANTEE BROKEN: gaps caused by the procedure without permission: 1.0 s at 03:04:10 UTC"
        in told.summary
    )
    assert "06_online_changes: LOCK TABLE heartbeat" in told.summary


def test_less_than_half_a_second_is_what_processes_that_share_a_core_do_to_each_other() -> None:
    told = guarantee(client((5.0, 5.4)), act(4.9, 6.0, "pg_basebackup"))
    assert told.checks.ok
    assert "gap     400 ms" in told.summary


def test_the_same_second_while_nothing_ran_is_not_the_procedures() -> None:
    told = guarantee(client((5, 6)), act(10, 11))
    assert told.checks.ok
    assert "ran     nothing of the procedure ran" in told.summary
    assert "guarantee kept: no acknowledged row is missing, and no write was interrupted" in told.summary


def test_the_same_second_is_the_machines_where_the_meter_overslept_it() -> None:
    told = guarantee(client((5, 6), meter=[(5.99, 950)]), act(4.9, 6.1))
    assert told.checks.ok
    assert "gap     1.0 s (950 ms of it the machine's) at 03:04:10 UTC" in told.summary
    assert "machine an idle process beside the client was late 1 times, by 950 ms at most" in told.summary


def test_the_meter_explains_no_second_in_which_it_was_awake() -> None:
    assert not guarantee(client((5, 6), meter=[(12, 100)]), act(4.9, 6.1)).checks.ok


def test_on_a_machine_that_holds_the_client_up_by_itself_a_gap_of_that_kind_is_not_the_procedures() -> None:
    alone = [(1, 1.3), (2, 2.4), (14, 14.3)]
    busy = [(second, 100) for second in range(20)]
    assert guarantee(client(*alone, (5, 5.6), meter=busy), act(4.9, 5.7)).checks.ok
    assert not guarantee(client(*alone, (5, 6), meter=busy), act(4.9, 6.1)).checks.ok


def test_a_client_that_was_refused_was_interrupted_however_short_it_was() -> None:
    told = guarantee(client((1, 1.3), (5, 5.1), refused=[5.05]), act(4.9, 5.2, "restart"))
    assert not told.checks.ok
    assert "100 ms at 03:04:10 UTC, the client was refused (06_online_changes: restart)" in told.summary
    assert guarantee(client((5, 5.1), refused=[5.05])).checks.ok


def test_an_effect_that_comes_shortly_after_its_act_is_the_acts() -> None:
    assert not guarantee(client((5, 6)), act(4.5, 4.51, "pg_terminate_backend")).checks.ok


def test_an_interruption_by_a_run_that_was_allowed_one_is_told_and_breaks_nothing() -> None:
    told = guarantee(client((5, 6), refused=[5.5]), act(4.9, 6.1, "restart", allowed=True))
    assert told.checks.ok
    assert told.summary.endswith("and writes were interrupted only where it was allowed (1.0 s at most)")
    assert "ran     06_online_changes: restart" in told.summary


def test_many_acts_in_one_gap_are_summed_up() -> None:
    held = interruptions(client((5, 6)), [act(5, 6, f"act {n}") for n in range(5)])
    assert held.items[0].cause.endswith("06_online_changes: act 2 and 2 more")


def test_acts_come_from_the_records_journals_with_what_their_run_was_allowed(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for restart in (False, True):
        record = archive.open(catalogue.select(["02"])[0], {"allow_restart": restart})
        with Journal(archive.path(record) / "journal.jsonl").act("pod/x", "reload"):
            pass
    assert [(one.run, one.what, one.allowed) for one in acts_of(archive)] == [
        ("02_primary_config", "reload", False),
        ("02_primary_config", "reload", True),
    ]
