"""Schedules of CronJobs: what they say, when they come, and what is no schedule."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pgnb_rehearsal.cron_schedule import ScheduleError, parse_schedule, time_zone


def _times(schedule: str, start: str, count: int, zone: str = "") -> list[str]:
    """The next times after `start`, as the zone's clock shows them."""
    place = time_zone(zone)
    read, moment = parse_schedule(schedule, place), datetime.fromisoformat(start)
    found = []
    for _ in range(count):
        after = read.next_after(moment)
        assert after is not None
        moment = after
        found.append(moment.astimezone(place).isoformat(timespec="minutes"))
    return found


SATURDAY = "2026-11-28T23:30:12.5+00:00"


@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        ("* * * * *", ["2026-11-28T23:31+00:00", "2026-11-28T23:32+00:00"]),
        ("? * * * ?", ["2026-11-28T23:31+00:00", "2026-11-28T23:32+00:00"]),
        ("*/20 * * * *", ["2026-11-28T23:40+00:00", "2026-11-29T00:00+00:00"]),
        ("5/20 * * * *", ["2026-11-28T23:45+00:00", "2026-11-29T00:05+00:00"]),
        ("10-30/15,40 1 * * *", ["2026-11-29T01:10+00:00", "2026-11-29T01:25+00:00"]),
        ("0 9 * * mon-FRI", ["2026-11-30T09:00+00:00", "2026-12-01T09:00+00:00"]),
        ("0 0 1 jan,Jul *", ["2027-01-01T00:00+00:00", "2027-07-01T00:00+00:00"]),
        ("0 0 13 * 5", ["2026-12-04T00:00+00:00", "2026-12-11T00:00+00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
        ("@hourly", ["2026-11-29T00:00+00:00", "2026-11-29T01:00+00:00"]),
        ("@daily", ["2026-11-29T00:00+00:00", "2026-11-30T00:00+00:00"]),
        ("@weekly", ["2026-11-29T00:00+00:00", "2026-12-06T00:00+00:00"]),
        ("@monthly", ["2026-12-01T00:00+00:00", "2027-01-01T00:00+00:00"]),
        ("@yearly", ["2027-01-01T00:00+00:00", "2028-01-01T00:00+00:00"]),
        ("@every 1h30m", ["2026-11-29T01:00+00:00", "2026-11-29T02:30+00:00"]),
    ],
)
def test_the_next_times(schedule: str, times: list[str]) -> None:
    """The 13th, or a Friday: without a star one of the two is enough."""
    assert _times(schedule, SATURDAY, 2) == times


def test_with_a_star_both_fields_of_days_have_to_match() -> None:
    assert _times("0 0 */31 * 5", SATURDAY, 1) == ["2026-12-01T00:00+00:00"], "a step takes the star away"
    assert _times("0 0 * 12 5", SATURDAY, 1) == ["2026-12-04T00:00+00:00"]


def test_a_zones_clock_counts() -> None:
    tokyo = ["2026-11-30T07:00+09:00", "2026-12-01T07:00+09:00"]
    assert _times("0 7 * * *", SATURDAY, 2, "Asia/Tokyo") == tokyo


def test_an_hour_that_does_not_come_is_left_out_and_one_that_comes_twice_counts_twice() -> None:
    spring = _times("30 2 * * *", "2026-03-07T12:00:00-05:00", 1, "America/New_York")
    assert spring == ["2026-03-09T02:30-04:00"]
    autumn = _times("30 1 * * *", "2026-10-31T12:00:00-04:00", 3, "America/New_York")
    assert autumn == ["2026-11-01T01:30-04:00", "2026-11-01T01:30-05:00", "2026-11-02T01:30-05:00"]


def test_a_midnight_that_does_not_come_begins_its_day_later() -> None:
    """Clocks in Santiago went from 23:59 to 01:00."""
    found = _times("0 * * * *", "2026-09-05T22:30:00-04:00", 3, "America/Santiago")
    assert found == ["2026-09-05T23:00-04:00", "2026-09-06T01:00-03:00", "2026-09-06T02:00-03:00"]
    assert _times("0 0 * * *", "2026-09-05T12:00:00-04:00", 1, "America/Santiago") == [
        "2026-09-07T00:00-03:00"
    ]


def test_a_day_that_never_comes() -> None:
    assert parse_schedule("0 0 31 2 *").next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("9-3 * * * *", "beginning of range (9) beyond end of range (3): 9-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@often", "unrecognized descriptor: @often"),
        ("@every moon", 'failed to parse duration @every moon: time: invalid duration "moon"'),
    ],
)
def test_what_is_no_schedule(schedule: str, text: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_schedule(schedule)
    assert str(refused.value) == text


@pytest.mark.parametrize("name", ["Mars/Base", "Europe", "../etc/passwd"])
def test_what_is_no_time_zone(name: str) -> None:
    with pytest.raises(ScheduleError, match=f"unknown time zone {name}"):
        time_zone(name)
