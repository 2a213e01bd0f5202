"""Errors of workers in the subscriber's log: conflicts with table, key and LSN, and failed connections.

Disabling and enabling the subscription does not resolve a conflict: the publisher sends the same transaction
again. Its finish LSN is what `ALTER SUBSCRIPTION … SKIP` takes (since 15).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pgnb.core.display import Displayable, Table
from pgnb.logical.server_log import Report, reports, server_log
from pgnb.postgres import Server

Category = Literal[
    "duplicate key",
    "missing table",
    "missing column",
    "missing row",
    "refused value",
    "no replica identity",
    "connection",
    "no slot",
    "no worker",
    "publication",
    "secondary",
    "other",
]

_STARTED = re.compile(
    r"logical replication (?:parallel )?(?P<what>apply|table synchronization) worker for subscription"
    r' "(?P<subscription>.*?)"(?:, table "(?P<table>.*)")? has started'
)
_ORIGIN = re.compile(r'replication origin "pg_(?P<oid>\d+)(?:_(?P<table>\d+))?(?:_\d+)?"')
_TARGET = re.compile(r'replication target relation "(?P<table>.*?)"(?: column "(?P<column>.*?)")?')
_FINISHED = re.compile(r"in transaction (?P<xid>\d+)(?:,? finished at (?P<lsn>[0-9A-F]+/[0-9A-F]+))?")
_COPY = re.compile(r"COPY (?P<table>[^,]+), line")
_KEY = re.compile(r"Key \((?P<columns>.*?)\)=\((?P<values>.*?)\)")
_NAMED = re.compile(
    r'logical replication target relation "(?P<table>.*?)"|detected on relation "(?P<other>.*?)"'
)
_CONSTRAINT = re.compile(r'(?:unique|exclusion) constraint "(?P<constraint>.*)"')
_REFUSING = re.compile(r'(?:of|for) relation "(?P<table>.*?)" violates')
_OF_SUBSCRIPTION = re.compile(r'(?:for |^)subscription "(?P<name>.*?)"')
# Messages from PostgreSQL's sources (worker.c, relation.c, tablesync.c, launcher.c, libpqwalreceiver.c,
# conflict.c of 18), in the order in which they decide.
_MEANINGS: tuple[tuple[str, Category], ...] = (
    (r"out of (logical replication|background) worker slots", "no worker"),
    # Logged by the leader of parallel apply workers (since 16) and by the next worker, after one failed.
    (r"parallel apply worker exited due to error|lost connection to the .* parallel apply", "secondary"),
    (r"shared-memory queue|replication origin with ID \d+ is already active", "secondary"),
    (r"neither REPLICA IDENTITY index nor PRIMARY KEY", "no replica identity"),
    (r"is missing (some )?replicated column|incompatible generated column", "missing column"),
    (r'target relation ".*" does not exist', "missing table"),
    (r"conflict=(insert_exists|update_exists|multiple_unique_conflicts)", "duplicate key"),
    (r"duplicate key value|exclusion constraint", "duplicate key"),
    (r"conflict=(update_missing|delete_missing)", "missing row"),
    (r"replication slot .*(does not exist|has been invalidated)", "no slot"),
    (r"can no longer (get changes from|access) replication|has been removed", "no slot"),
    (r'publication ".*" does not exist', "publication"),
    (r"could not connect to the publisher", "connection"),
    (r"could not (receive data from|start|send data to) WAL stream", "connection"),
    (r"end-of-streaming|streaming command|server closed the connection unexpectedly", "connection"),
    (r"worker due to timeout|data stream from publisher has ended", "connection"),
    (r"null value in column|violates (check|not-null)|invalid input|value too long", "refused value"),
    (r"out of range|could not be converted|permission denied", "refused value"),
)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class WorkerError:
    """One error of a worker, counted if it recurs.

    `subscription` is empty if the log does not name it. `table` is `schema.name` as the server wrote it;
    during the initial copy, and often in 14, the name alone or nothing. `constraint`: what a key violates.
    `phase` is apply or copy. `lsn`: where the failed transaction finishes (since 15; None during a copy, and
    for a parallel apply). `columns` and `values` are those of the key in DETAIL, as text.
    """

    category: Category
    message: str
    subscription: str = ""
    table: str = ""
    phase: Literal["apply", "copy"] = "apply"
    lsn: str | None = None
    xid: int | None = None
    constraint: str = ""
    columns: str = ""
    values: str = ""
    detail: str = ""
    hint: str = ""
    count: int = 1
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    @property
    def same(self) -> tuple[str, ...]:
        """What two reports of the same error have in common."""
        return (
            self.category,
            self.subscription,
            self.table,
            self.lsn or "",
            _steady(self.message),
            self.values,
        )

    @property
    def summary(self) -> str:
        """The server's message with the row and the LSN, in one or two lines."""
        where = f" at {self.lsn}" if self.lsn else ""
        again = f" ({self.count} times)" if self.count > 1 else ""
        detail = f"\n{self.detail}" if self.detail else ""
        return f"{self.message}{detail}{where}{again}"

    @property
    def without_values(self) -> WorkerError:
        """The same without the values of rows, which could never be removed from a record."""
        message = _OUT_OF_RANGE.sub(f'value "{HIDDEN}"', self.message)
        return replace(
            self,
            message=_QUOTED_END.sub(f': "{HIDDEN}"', message),
            detail=_ROW_VALUES.sub(rf"\1({HIDDEN})", self.detail),
            values=HIDDEN if self.columns else "",
        )


HIDDEN = "…"
"""Replaces a row's values where they are not shown."""
_ROW_VALUES = re.compile(r"(=|contains |row )\(.*\)", re.DOTALL)
_QUOTED_END = re.compile(r': ".*"$', re.DOTALL)
_OUT_OF_RANGE = re.compile(r'\bvalue ".*"(?= is out of range)', re.DOTALL)
_CHANGING = re.compile(r"\bport \d+\b|\bPID \d+\b|[0-9A-F]+/[0-9A-F]{6,8}")


def _steady(message: str) -> str:
    return _CHANGING.sub("", message)


@dataclass(frozen=True, repr=False)
class WorkerErrors(Displayable, Sequence[WorkerError]):
    """The errors of a log, the latest last; displays as a table."""

    items: tuple[WorkerError, ...]

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def table(self) -> Table:
        """Subscription, phase, table, message, key, LSN, count and last time."""
        columns = ("subscription", "phase", "table", "message", "key", "LSN", "times", "last (UTC)")
        rows = [
            (i.subscription, i.phase, i.table, i.message, _key(i), i.lsn, i.count, i.last_seen)
            for i in self.items
        ]
        note = "" if rows else "No error of a subscription's worker."
        return Table.of(
            columns if rows else (), rows, title="Worker errors in the subscriber's log", note=note
        )


def _key(worker_error: WorkerError) -> str:
    return f"({worker_error.columns}) = ({worker_error.values})" if worker_error.columns else ""


def read_worker_errors(subscriber: Server, *, lines: int = 2000, show_rows: bool = False) -> WorkerErrors:
    """Return the workers' errors in the subscriber's log, the latest last; at most `lines` of it are read.

    Values of rows are left out unless `show_rows` is true. Reads the pod's log, or the logging collector's
    file if that is on. Messages in languages other than English are not recognised (lc_messages). Raises what
    reading the log raises.
    """
    if not subscriber.present:
        return WorkerErrors(())
    names = {
        int(row["oid"]): str(row["subname"])
        for row in subscriber.query("SELECT oid, subname FROM pg_catalog.pg_subscription")
    }
    found = worker_errors(reports(server_log(subscriber, lines=lines)), names)
    return WorkerErrors(found if show_rows else tuple(worker_error.without_values for worker_error in found))


def worker_errors(log: Iterable[Report], subscriptions: Mapping[int, str]) -> tuple[WorkerError, ...]:
    """Return the errors from reports; `subscriptions` are names by oid, as in a worker's origin."""
    workers: dict[int, WorkerError] = {}
    found: dict[tuple[str, ...], WorkerError] = {}
    for report in log:
        started = _STARTED.search(report.message)
        if started is not None and report.pid is not None:
            phase: Literal["apply", "copy"] = (
                "copy" if started["what"] == "table synchronization" else "apply"
            )
            workers[report.pid] = WorkerError(
                "other", "", started["subscription"], started["table"] or "", phase
            )
        elif (category := _category(report, workers)) is not None:
            worker_error = _worker_error(report, category, workers.get(report.pid or 0), subscriptions)
            _count(found, worker_error)
    return tuple(sorted(found.values(), key=lambda worker_error: worker_error.last_seen or _LONG_AGO))


def _count(found: dict[tuple[str, ...], WorkerError], worker_error: WorkerError) -> None:
    before = found.get(worker_error.same)
    if before is not None:
        worker_error = replace(worker_error, count=before.count + 1, first_seen=before.first_seen)
    found[worker_error.same] = worker_error


def _category(report: Report, workers: Mapping[int, WorkerError]) -> Category | None:
    """Return what the report is about; None if no worker wrote it."""
    if report.level not in ("ERROR", "FATAL", "WARNING") and "conflict=" not in report.message:
        return None
    ours = (
        report.pid in workers
        or "logical replication" in report.message
        or bool(_ORIGIN.search(report.context))
    )
    known = next((category for pattern, category in _MEANINGS if re.search(pattern, report.message)), None)
    if not ours and known not in ("no worker", "connection", "no replica identity", "missing row"):
        return None
    if report.message.startswith("terminating logical replication worker due to administrator command"):
        return None
    return known or "other"


def _worker_error(
    report: Report, category: Category, worker: WorkerError | None, subscriptions: Mapping[int, str]
) -> WorkerError:
    base = worker or WorkerError("other", "")
    origin, finished = _ORIGIN.search(report.context), _FINISHED.search(report.context)
    key, named = _KEY.search(report.detail), _OF_SUBSCRIPTION.search(report.message)
    broken = _CONSTRAINT.search(report.message)
    by_origin = subscriptions.get(int(origin["oid"]), "") if origin else ""
    return replace(
        base,
        category=category,
        message=report.message,
        subscription=by_origin or base.subscription or (named["name"] if named else ""),
        table=_table_of(report) or base.table,
        lsn=finished["lsn"] if finished else None,
        xid=int(finished["xid"]) if finished else None,
        constraint=broken["constraint"] if broken else "",
        columns=key["columns"] if key else "",
        values=key["values"] if key else "",
        detail=report.detail,
        hint=report.hint,
        first_seen=report.at,
        last_seen=report.at,
    )


def _table_of(report: Report) -> str:
    """Return `schema.name` from the message or context; during a copy, or in 14, the name alone."""
    named = _NAMED.search(report.message)
    if named is not None:
        return named["table"] or named["other"]
    texts = ((_TARGET, report.context), (_COPY, report.context), (_REFUSING, report.message))
    found = (pattern.search(text) for pattern, text in texts)
    return next((match["table"] for match in found if match), "")
