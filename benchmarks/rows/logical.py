"""Section 12 with many databases: notebook 12, whole, against the procedure's own loop."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.figures import Figure, in_turn, seconds
from benchmarks.ground import PRIMARY, SUBSCRIBER, Ground, Size
from benchmarks.places import fresh
from benchmarks.progress import say
from benchmarks.scripts import carry_out
from pgnb.core.plan import gate
from pgnb.logical.capacity import worker_settings
from pgnb.logical.row_comparison import compare_published
from pgnb.logical.specs import database_specs
from pgnb.logical.subscriptions import plan_drop_subscriptions
from pgnb.postgres import Server
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.restart import plan_pending_restart

_TABLE = "CREATE TABLE t{number} (id serial PRIMARY KEY, data text, created_at timestamptz DEFAULT now())"
_ROWS = "INSERT INTO t{number} (data) SELECT 'row ' || n FROM generate_series(1, 100) AS n"
_LOOPED = 2
"""Of the procedure's loop, so many databases are measured and the time is scaled."""


def scale(ground: Ground, size: Size) -> Sequence[Figure]:
    """20 databases with 50 tables each by both ways; by the notebook with 25 and 100 tables, too."""
    databases = size.many(20)
    few, usual, many = (1, 2, 4) if size.quick else (25, 50, 100)
    with fresh(ground, "logical") as place:
        with_subscriber(place)
        took = {tables: _notebook(place, databases, tables) for tables in (few, many)}
        took[usual] = _notebook(place, databases, usual, keep=True)
        counted, plain = _counted(place, _names("n", databases), size)
        loop = _loop(place, min(databases, _LOOPED), usual) * databases / min(databases, _LOOPED)
    what = f"{databases} databases × {usual} tables × 100 rows by 12"
    note = (
        "The notebook is measured whole: kernel, checks, initial copy, proof of rows, counts on both sides"
        " and diagnosis, of which the loop does none."
        f" The loop was measured for {_LOOPED} databases and scaled."
    )
    growth = [took[tables] / (databases * tables) for tables in (many, few)]
    return [
        Figure("logical-scale", what, "the procedure's loop", [took[usual]], [loop], goal=0.1, note=note),
        Figure(
            "logical-growth",
            f"time a table with {many} tables a database",
            f"with {few}",
            growth[:1],
            growth[1:],
            goal=1.0,
            note="1 is linear; below, the fixed part is spread.",
        ),
        Figure(
            "counts-published",
            f"counts of {databases * usual:,} published tables on both sides",
            "one plain session a database and side",
            counted,
            plain,
        ),
    ]


def with_subscriber(place: Ground) -> None:
    """Let notebook 12 make the subscriber, and both servers restart for its settings now."""
    place.run("12", "-p", "databases", '["shop"]', "-p", "allow_restart", "true", "-p", "longest_gap", "600")


def _names(prefix: str, databases: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(databases)]


def _notebook(place: Ground, databases: int, tables: int, *, keep: bool = False) -> float:
    names = _names("n", databases)
    prepare(place, names, tables)
    took = seconds(lambda: place.run("12", "-p", "databases", json.dumps(names)))
    say(f"notebook 12: {took:.1f} s for {databases} databases × {tables} tables")
    if not keep:
        _drop(place, names)
    return took


def _loop(place: Ground, databases: int, tables: int) -> float:
    names = _names("l", databases)
    prepare(place, names, tables)
    cluster = place.cluster
    given = {
        "DATABASES": " ".join(names),
        "PRIMARY_POD": cluster.pod(PRIMARY).name,
        "REPLICA_POD": cluster.pod(SUBSCRIBER).name,
        "PASSWORD": cluster.secret_value("postgres-primary", "password").reveal(),
    }
    took = seconds(lambda: carry_out(place, "logical.sh", **given))
    say(f"the procedure's loop: {took:.1f} s for {databases} databases × {tables} tables")
    return took


def prepare(place: Ground, names: Sequence[str], tables: int) -> None:
    """Databases with tables and rows, and the slots, senders and workers that they ask for."""
    for database in names:
        place.primary.execute(f"CREATE DATABASE {database}")
        parts = [(_TABLE + "; " + _ROWS).format(number=number) for number in range(tables)]
        place.primary.execute("; ".join(parts), database=database)
        place.primary.session(database).close()
    make_room(place, names)


def make_room(place: Ground, names: Sequence[str]) -> None:
    """Raise what the databases' subscriptions need, with the restarts that it takes."""
    needs = worker_settings(place.primary, place.subscriber, database_specs(place.primary, names))
    for server, desired in ((place.primary, needs.publisher), (place.subscriber, needs.subscriber)):
        plan_settings(server, desired, write_restart=True).apply()
        restart = plan_pending_restart(server, desired, allow=True)
        gate(restart, allow_restart=True)
        restart.apply()
    place.renew()


def _drop(place: Ground, names: Sequence[str]) -> None:
    specs = database_specs(place.primary, names)
    change = plan_drop_subscriptions(place.primary, place.subscriber, specs)
    change.grant(**{one.parameter: one.value for one in change.confirmations})
    change.apply()
    for server in (place.primary, place.subscriber):
        for database in names:
            server.session(database).close()
            server.execute(f"DROP DATABASE {database} WITH (FORCE)")


def _counted(place: Ground, names: Sequence[str], size: Size) -> tuple[list[float], list[float]]:
    specs = database_specs(place.primary, names)

    def plainly() -> None:
        for server in (place.primary, place.subscriber):
            for database in names:
                _count(server, database)

    return in_turn(
        lambda: compare_published(place.primary, place.subscriber, specs), plainly, size.at_most(3)
    )


def _count(server: Server, database: str) -> None:
    names = "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$'"
    with server.new_session(database) as session:
        for row in session.query(names):
            session.query(f"SELECT count(*) AS rows FROM {row['name']}")
