"""Find backups as far as they are visible from here: base backups, scheduled jobs, and the archive of WAL.

A standby is not a backup, since it repeats every mistake within a second. Nor is the base backup from which a
standby was made, since nobody kept it. PostgreSQL remembers its last base backup only while it archives: with
archive_mode = off the history file is removed when the backup ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table
from pgnb.core.errors import AccessDenied, NotFound, ParameterError
from pgnb.postgres import Server
from pgnb.postgres.session import Row
from pgnb.practices.run_history import RunHistory, age_of, format_age, run_at

_BACKUP_WORDS = ("backup", "pgbackrest", "wal-g", "walg", "barman", "pg-dump", "pgdump", "basebackup")
_MAKES_STANDBYS = ("03_", "08_", "09_")


@dataclass(frozen=True)
class Backup:
    """One sign of a backup: where it was found, when it ended (None: never), and whether it counts."""

    source: str
    ended: datetime | None
    counts: bool
    remark: str = ""


@dataclass(frozen=True, repr=False)
class Backups(Displayable):
    """Every sign of a backup, and the state of the archive."""

    signs: tuple[Backup, ...]
    archive: Row

    @property
    def last(self) -> Backup | None:
        """The newest backup that counts."""
        counting = [sign for sign in self.signs if sign.counts and sign.ended is not None]
        return max(counting, key=lambda sign: sign.ended or datetime.min.replace(tzinfo=UTC), default=None)

    @property
    def figure(self) -> dict[str, str | None]:
        """When the newest backup that counts ended (ISO 8601, UTC), and where it was found; None for none."""
        last = self.last
        ended = last.ended.astimezone(UTC).isoformat(timespec="seconds") if last and last.ended else None
        return {"ended": ended, "source": last.source if last else None}

    def checks(self, server: Server, *, max_age_days: float, strict: bool) -> Checks:
        """Check for a recent backup, and that archiving works; advice unless `strict`."""
        items = [*_age_check(self, max_age_days), *_archive_checks(self.archive)]
        return advisory("Backups", items, server, strict=strict)

    @property
    def table(self) -> Table:
        """One line for each sign."""
        rows = [
            (sign.source, format_age(sign.ended), Cell("yes", "good") if sign.counts else "no", sign.remark)
            for sign in self.signs
        ]
        note = "" if rows else "No sign of a backup was found."
        return Table.of(("found as", "ended", "counts", "remark"), rows, title="Signs of backups", note=note)


def find_backups(primary: Server, history: RunHistory, *, last_backup: str = "") -> Backups:
    """Find backups of a primary: history files in pg_wal, CronJobs of its namespace, and `last_backup`.

    `last_backup` is the end of a backup that is not visible from here (a volume snapshot), as ISO 8601. Needs
    pg_monitor or superuser. Raises ParameterError for a text that is not a time.
    """
    state = primary.fetch_one("practices/backup_state")
    signs = [*_from_server(state, history), *_from_jobs(primary), *_from_operator(last_backup)]
    found = Backups(tuple(signs), state)
    primary.journal.figure("last_backup", found.figure)
    return found


def moment_of(name: str, text: str) -> datetime:
    """Parse a time; without an offset it is UTC. Raises ParameterError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ParameterError(
            f"{name} is not a time", found=text, remedy="Write it as 2026-01-31 or 2026-01-31T04:00:00+09:00."
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > datetime.now(UTC):
        raise ParameterError(f"{name} is in the future", found=text)
    return moment


def _from_server(state: Row, history: RunHistory) -> Iterator[Backup]:
    ended = state.get("last_base_backup")
    if ended is None:
        return
    made = [run for run in history.changing if run.notebook.startswith(_MAKES_STANDBYS)]
    maker = run_at(ended, made)
    if maker is None:
        yield Backup("base backup (history file in pg_wal)", ended, True, "its place is not known here")
    else:
        yield Backup(
            "base backup (history file in pg_wal)", ended, False, f"used to make a standby: {maker.name}"
        )


def _from_jobs(primary: Server) -> Iterator[Backup]:
    """Yield CronJobs whose name or image suggests backups."""
    try:
        jobs = primary.cluster.list("cronjobs") if primary.present else []
    except AccessDenied:
        yield Backup("CronJobs", None, False, "not readable with these rights")
        return
    except NotFound:
        return  # An API server without CronJobs.
    for job in jobs:
        yield from sign_of_job(job)


def sign_of_job(job: Mapping[str, Any]) -> Iterator[Backup]:
    """Yield a CronJob's last success if its name or image suggests backups."""
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    words = " ".join([job["metadata"]["name"], *(c.get("image", "") for c in pod["containers"])]).lower()
    if any(word in words for word in _BACKUP_WORDS):
        ended = (job.get("status") or {}).get("lastSuccessfulTime")
        last = datetime.fromisoformat(ended) if ended else None
        yield Backup(f"cronjob/{job['metadata']['name']}", last, last is not None, "last successful run")


def _from_operator(text: str) -> Iterator[Backup]:
    if text:
        yield Backup("given by the operator", moment_of("last_backup", text), True, "parameter last_backup")


def _age_check(backups: Backups, max_age_days: float) -> Iterator[Check]:
    last = backups.last
    ended = last.ended if last else None
    recent = ended is not None and age_of(ended) <= timedelta(days=max_age_days)
    found = f"{last.source}: {format_age(ended)}" if last else "none was found"
    yield Check(
        "a recent backup",
        recent,
        found,
        f"at most {max_age_days:g} days old",
        "Schedule base backups to another place, and test a restore. Set last_backup for a backup that is not"
        " visible from here.",
    )


def _archive_checks(archive: Row) -> Iterator[Check]:
    mode = archive.get("archive_mode", "off")
    yield Check(
        "WAL is archived",
        mode != "off",
        f"archive_mode = {mode}",
        "on",
        "Without archived WAL a backup restores only the time at which it was taken. archive_mode needs"
        " a restart.",
    )
    if mode != "off":
        good, bad = archive["last_archived_time"], archive["last_failed_time"]
        works = bad is None or (good is not None and good > bad)
        found = f"last success {format_age(good)}; {archive['failed_count']} failures"
        yield Check(
            "archiving works",
            works,
            found,
            "no failure since the last success",
            f"Look for archive_command in the server's log; last failed: {archive['last_failed_wal']}.",
        )


def advisory(title: str, items: list[Check], server: Server, *, strict: bool) -> Checks:
    """Return checks as advice, or as conditions if `strict`."""
    kept = (Check(c.name, c.ok, c.found, c.wanted, c.remedy, advice=not strict) for c in items)
    return Checks.of(title, kept, server.journal)
