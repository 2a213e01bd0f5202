"""What a writing client's log says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pgnb.cluster import LogLine
from pgnb.core.journal import Journal
from pgnb.observe.write_log import DurabilityCheck, write_log_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def line(text: str, seconds: float) -> LogLine:
    return LogLine(text, NOW + timedelta(seconds=seconds))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_ids_are_told_from_words_and_sorted_by_time() -> None:
    lines = [line("12", 0.04), line("11", 0.02), line("FATAL:  terminating connection", 0.05), LogLine("13")]
    write_log = write_log_of("w", lines, later(0.1))
    assert list(write_log.ids) == [11, 12]
    assert list(write_log.summary) == ["FATAL:  terminating connection"]


def test_longest_gap_and_when_it_was() -> None:
    write_log = write_log_of(
        "w", [line("1", 0), line("2", 0.02), line("3", 1.52), line("4", 1.54)], later(1.6)
    )
    assert write_log.longest is not None
    assert write_log.longest.start == later(0.02)
    assert round(write_log.longest.seconds, 3) == 1.5
    assert write_log.usual == 0.02
    assert "1.5 s (the machine's share was not measured), at 03:04:05 UTC" in write_log.finding
    assert not write_log.checks(Journal(), longest=0.1).ok
    assert write_log.checks(Journal(), longest=2).ok


def test_a_client_that_stands_still_has_a_gap_that_is_not_over() -> None:
    write_log = write_log_of("w", [line("1", 0), line("2", 0.02)], later(30))
    assert write_log.longest is not None
    assert round(write_log.longest.seconds) == 30
    assert "still" in write_log.finding


def test_rows_before_the_wished_time_do_not_count() -> None:
    lines = [line(str(n), n / 10) for n in range(10)]
    assert write_log_of("w", lines, later(1), since=later(0.5)).acknowledged == 5


def test_a_client_that_wrote_nothing_passes_no_check() -> None:
    silent = write_log_of("w", [line("could not connect", 0)], later(1))
    assert len(silent.checks(Journal(), longest=1).failed) == 2
    assert "could not connect" in str(silent)
    assert write_log_of("w", [line("1", 0)], later(1)).longest is None


def test_a_missing_row_breaks_the_guarantee() -> None:
    assert DurabilityCheck("s", 3, []).check.ok
    broken = DurabilityCheck("s", 3, [7]).check
    assert not broken.ok
    assert broken.found == "2; missing 7"
