"""Load: many small transactions on one connection, each with its own commit and value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from time import monotonic
from uuid import uuid4

from pgnb.core.display import Table, format_bytes, format_duration, key_value_table
from pgnb.core.errors import ParameterError
from pgnb.core.wait import SHOWN_AFTER, Progress
from pgnb.observe.lag import percentile
from pgnb.postgres import Server, compose, identifier
from pgnb.postgres.progress import lsn_diff, marker
from pgnb.postgres.scratch import temporary_database

_MOST = 1_000_000


@dataclass(frozen=True)
class Load:
    """The result of a load. `lsn` is a marker after its last commit; `prefix` begins each of its values.

    `commits` are the seconds of each transaction as seen from here; `wal` the bytes of WAL written meanwhile,
    by anybody.
    """

    database: str
    table: str
    prefix: str
    transactions: int
    seconds: float
    commits: Sequence[float]
    lsn: str
    wal: int

    @property
    def rate(self) -> float:
        """Transactions per second."""
        return self.transactions / self.seconds if self.seconds else 0.0

    @property
    def result(self) -> Table:
        """The result, one fact a line."""
        if not self.transactions:
            return key_value_table("Load", {"outcome": "plan only: nothing was written"})
        facts = {
            "transactions": f"{self.transactions:,} on one connection, each with its own value",
            "into": f"{self.database}: {self.table}",
            "values": f"{self.prefix}-1 to {self.prefix}-{self.transactions}",
            "took": f"{format_duration(self.seconds)} ({self.rate:,.0f} a second)",
            "a transaction": f"median {_short(self.commits, 0.5)}, p95 {_short(self.commits, 0.95)},"
            f" longest {_short(self.commits, 1)}",
            "WAL meanwhile": format_bytes(self.wal),
            "committed before": self.lsn,
        }
        return key_value_table("Load", facts)

    def _repr_html_(self) -> str:
        return self.result._repr_html_()

    def __str__(self) -> str:
        return str(self.result)

    __repr__ = __str__


def run_load(
    primary: Server,
    database: str,
    table: str,
    *,
    transactions: int = 1000,
    rate: float = 0.0,
    column: str = "data",
    schema: str = "public",
) -> Load:
    """Insert `transactions` rows, one a transaction, on a connection of its own; journalled as one act.

    `rate`: transactions per second at most; 0: no limit. The values are `<prefix>-1`, `<prefix>-2`, …, with
    another prefix each time, so that no two rows are alike. A plan-only run writes nothing. Raises
    ParameterError, and QueryFailed if the table does not accept the rows.
    """
    if not 1 <= transactions <= _MOST or rate < 0:
        raise ParameterError(
            "this load cannot be run",
            found=f"{transactions} transactions at {rate:g} a second",
            remedy=f"transactions: 1 to {_MOST:,}; rate: 0 (no limit) or more.",
        )
    prefix = f"bulk-{uuid4().hex[:8]}"
    if primary.journal.dry_run or not primary.present:
        return Load(database, table, prefix, 0, 0.0, (), "", 0)
    before = marker(primary)
    what = f"{transactions:,} transactions of one INSERT into {database}: {schema}.{table}"
    in_scratch = primary.journal.temporary(temporary_database(database))
    with in_scratch, primary.journal.act(primary.name, what) as act:
        started = monotonic()
        commits = _insert(primary, database, (schema, table, column), prefix, transactions, rate)
        seconds = monotonic() - started
        act.result = f"{transactions / seconds:,.0f} a second"
    after = marker(primary)
    return Load(database, table, prefix, transactions, seconds, commits, after, lsn_diff(after, before))


def _insert(
    primary: Server, database: str, place: tuple[str, str, str], prefix: str, count: int, rate: float
) -> list[float]:
    schema, table, column = place
    commits: list[float] = []
    progress, pause, started = Progress(f"load on {primary.name}"), Event(), monotonic()
    with primary.new_session(database) as session:
        for number in range(1, count + 1):
            began = monotonic()
            value = f"{prefix}-{number}"
            session.execute(
                compose(
                    "INSERT INTO {} ({}) VALUES ({})", identifier(schema, table), identifier(column), value
                )
            )
            commits.append(monotonic() - began)
            if rate:
                pause.wait(max(0.0, started + number / rate - monotonic()))
            if monotonic() - started > SHOWN_AFTER and number % 100 == 0:
                progress.show(f"{number:,} of {count:,} transactions")
    progress.close()
    return commits


def _short(values: Sequence[float], share: float) -> str:
    return f"{percentile(values, share) * 1000:.1f} ms"
