"""When a CronJob is due: the latest time that has passed, and when to look again (pkg/controller/cronjob)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.cron_schedule import Schedule, ScheduleError, parse_schedule, time_zone

_PADDING = timedelta(milliseconds=100)
"""A little later than the time itself, so that no clock is found to lag behind it."""


class Due(NamedTuple):
    """The time from which was counted, the latest time since then that has passed (or None), and roughly how
    many have passed."""

    since: datetime
    latest: datetime | None
    passed: int


def schedule_of(cron_job: Object) -> Schedule:
    """The CronJob's schedule by the clock of its time zone; ScheduleError."""
    spec = cron_job["spec"]
    return parse_schedule(spec["schedule"], time_zone(spec.get("timeZone") or ""))


def due(cron_job: Object, schedule: Schedule, now: datetime, *, within_deadline: bool = True) -> Due:
    """What is due; ScheduleError when the schedule never has a time.

    `within_deadline`: whatever startingDeadlineSeconds make too late does not count.
    """
    since = _beginning(cron_job)
    deadline = cron_job["spec"].get("startingDeadlineSeconds")
    if within_deadline and deadline is not None:
        since = max(since, now - timedelta(seconds=deadline))
    first = _after(schedule, since)
    second = _after(schedule, first)
    if now < first:
        return Due(since, None, 0)
    if now < second:
        return Due(since, first, 1)
    return _many(schedule, since, first, second, now)


def _many(schedule: Schedule, since: datetime, first: datetime, second: datetime, now: datetime) -> Due:
    """Several times have passed: jump near the present instead of counting them all."""
    step = second - first
    passed = (now - first) // step + 1
    latest, moment = None, _after(schedule, first + (passed - 2) * step)
    while moment <= now:
        latest, moment = moment, _after(schedule, moment)
    return Due(since, latest, passed)


def _after(schedule: Schedule, moment: datetime) -> datetime:
    found = schedule.next_after(moment)
    if found is None:
        raise ScheduleError("time difference between two schedules is less than 1 second")
    return found


def _beginning(cron_job: Object) -> datetime:
    last = lookup(cron_job, "status", "lastScheduleTime") or cron_job["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(last).astimezone(UTC)


def until_next(cron_job: Object, schedule: Schedule, now: datetime) -> float:
    """Seconds until the next time; ScheduleError when there is none."""
    found = due(cron_job, schedule, now, within_deadline=False)
    start = found.latest or (now if found.passed else found.since)
    return (_after(schedule, start) + _PADDING - now).total_seconds()
