"""Schedules of CronJobs: read, and followed to the next time (the grammar is that of robfig/cron v3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

_YEARS = 5
"""A schedule that has no time within so many years never has one (the 31st of February)."""


class ScheduleError(ValueError):
    """A schedule or a time zone that cannot be read; the text is what the API server says about it."""


class Schedule(Protocol):
    """When something is due."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in UTC; None when there is none."""
        ...


class _Bounds(NamedTuple):
    low: int
    high: int
    names: Mapping[str, int] = {}


def _numbered(names: str, first: int) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), first)}


_MINUTES, _HOURS, _DAYS = _Bounds(0, 59), _Bounds(0, 23), _Bounds(1, 31)
_MONTHS = _Bounds(1, 12, _numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1))
_WEEKDAYS = _Bounds(0, 6, _numbered("sun mon tue wed thu fri sat", 0))
_FIELDS = (_MINUTES, _HOURS, _DAYS, _MONTHS, _WEEKDAYS)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_STARS = ("*", "?")


@dataclass(frozen=True)
class Calendar:
    """Five fields. With a star among the two fields of days both have to match, otherwise one is enough."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    star: bool
    zone: tzinfo = field(default=UTC)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in UTC; an hour that the zone's clock has twice counts twice."""
        at = _floor(moment) + timedelta(minutes=1)
        last = at.astimezone(self.zone).year + _YEARS
        while (local := at.astimezone(self.zone)).year <= last:
            if local.month not in self.months:
                at = self._midnight(local.year + local.month // 12, local.month % 12 + 1, 1)
            elif not self._is_day(local):
                tomorrow = local.date() + timedelta(days=1)
                at = self._midnight(tomorrow.year, tomorrow.month, tomorrow.day)
            elif local.hour not in self.hours:
                at += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                at += timedelta(minutes=1)
            else:
                return at
        return None

    def _is_day(self, local: datetime) -> bool:
        by_date, by_weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return (by_date and by_weekday) if self.star else (by_date or by_weekday)

    def _midnight(self, year: int, month: int, day: int) -> datetime:
        return datetime(year, month, day, tzinfo=self.zone).astimezone(UTC)


def _floor(moment: datetime) -> datetime:
    """The whole minute in which `moment` lies, in UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


@dataclass(frozen=True)
class Interval:
    """`@every 1h30m`: so many seconds after the last time."""

    seconds: int

    def next_after(self, moment: datetime) -> datetime | None:
        """`moment` and the interval, in whole seconds."""
        return moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=self.seconds)


def parse_schedule(text: str, zone: tzinfo = UTC) -> Schedule:
    """The schedule that `text` stands for, by the clock of `zone`; ScheduleError when it is none."""
    if text.startswith(("TZ=", "CRON_TZ=")):
        text = text.partition(" ")[2].strip()
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith(_EVERY):
        return Interval(max(1, int(_duration(text))))
    if text.startswith("@") and text not in _DESCRIPTORS:
        raise ScheduleError(f"unrecognized descriptor: {text}")
    fields = _DESCRIPTORS.get(text, text).split()
    if len(fields) != len(_FIELDS):
        found = f"[{' '.join(fields)}]"
        raise ScheduleError(f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: {found}")
    minutes, hours, days, months, weekdays = map(_field, fields, _FIELDS)
    return Calendar(
        minutes.numbers,
        hours.numbers,
        days.numbers,
        months.numbers,
        weekdays.numbers,
        star=days.star or weekdays.star,
        zone=zone,
    )


class _Field(NamedTuple):
    numbers: frozenset[int]
    star: bool


def _field(text: str, bounds: _Bounds) -> _Field:
    """A list of ranges."""
    ranges = [_range(part, bounds) for part in text.split(",") if part]
    numbers = frozenset[int]().union(*(part.numbers for part in ranges))
    return _Field(numbers, any(part.star for part in ranges))


def _range(text: str, bounds: _Bounds) -> _Field:
    """`number | number-number | *`, each with `/step`; `number/step` goes on to the field's end."""
    span, *steps = text.split("/")
    low, *highs = span.split("-")
    star = low in _STARS
    if star:
        first, last = bounds.low, bounds.high
    else:
        first = _number(low, bounds.names)
        if len(highs) > 1:
            raise ScheduleError(f"too many hyphens: {text}")
        last = _number(highs[0], bounds.names) if highs else first
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    step = _number(steps[0]) if steps else 1
    if steps and not highs:
        last = bounds.high
    _check(text, first, last, step, bounds)
    return _Field(frozenset(range(first, last + 1, step)), star and step == 1)


def _check(text: str, first: int, last: int, step: int, bounds: _Bounds) -> None:
    if first < bounds.low:
        raise ScheduleError(f"beginning of range ({first}) below minimum ({bounds.low}): {text}")
    if last > bounds.high:
        raise ScheduleError(f"end of range ({last}) above maximum ({bounds.high}): {text}")
    if first > last:
        raise ScheduleError(f"beginning of range ({first}) beyond end of range ({last}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")


def _number(text: str, names: Mapping[str, int] | None = None) -> int:
    if names and text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        why = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise ScheduleError(f"failed to parse int from {text}: {why}")
    if int(text) < 0:
        raise ScheduleError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h)"


def _duration(text: str) -> float:
    """The seconds of an interval in Go's spelling."""
    given = text.removeprefix(_EVERY)
    parts = given[1:] if given[:1] in ("+", "-") else given
    if not re.fullmatch(f"({_PART})+", parts) and parts != "0":
        raise ScheduleError(f'failed to parse duration {text}: time: invalid duration "{given}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, parts))
    return -seconds if given.startswith("-") else seconds


def time_zone(name: str) -> tzinfo:
    """The time zone of that name ("" is UTC); ScheduleError when it is not known."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error
