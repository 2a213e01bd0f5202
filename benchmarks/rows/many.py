"""10,000 tables: time and memory of notebooks 05, 12 and 12.9."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from time import perf_counter

from benchmarks.figures import Figure
from benchmarks.ground import PASSWORD, PRIMARY, STANDBY, SUBSCRIBER, SUBSCRIBER_PASSWORD, Ground, Size
from benchmarks.hook.sitecustomize import peak
from benchmarks.measured import measured_runs
from benchmarks.places import fresh
from benchmarks.progress import say
from benchmarks.rows.logical import make_room, with_subscriber
from pgnb.postgres import Session, find_server

_DATABASE = "many"
_AT_ONCE = 500
_TABLE = "CREATE TABLE t{} (id int PRIMARY KEY, value int, created_at timestamptz DEFAULT now())"
_NAMES = "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$'"
_COLUMNS = """
    SELECT c.oid::regclass::text AS name, a.attname, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull, pg_get_expr(d.adbin, d.adrelid) AS standard
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
_MEGABYTE = 1024 * 1024
Used = tuple[float, float]
"""Seconds, and the peak of memory in MB."""


def ten_thousand(ground: Ground, size: Size) -> Sequence[Figure]:
    """Each notebook once, beside a process whose plain sessions read the same tables on both sides."""
    tables = 20 if size.quick else 10_000
    with fresh(ground, "many") as place:
        with_subscriber(place)
        place.run("02", "03")
        _make(place, tables)
        given = ("-p", "databases", f'["{_DATABASE}"]')
        counting = _run(place, "05", "-p", "transactions", "1")
        counted = _beside(place, count_plainly, STANDBY, PASSWORD)
        setting_up = _run(place, "12", *given, "-p", "copy_data", "false")
        diagnosing = _run(place, "12_09", *given)
        read = _beside(place, read_plainly, SUBSCRIBER, SUBSCRIBER_PASSWORD)
    plain = "plain sessions that {} on both sides, in a process with pgnb loaded".format
    return [
        *_figures("05", tables, counting, counted, plain("count the tables one by one")),
        *_figures(
            "12",
            tables,
            setting_up,
            read,
            plain("read tables and columns"),
            note="The whole set-up, with copy_data = false: no initial copy of the (empty) tables.",
        ),
        *_figures("12.9", tables, diagnosing, read, plain("read tables and columns")),
    ]


def _figures(
    section: str, tables: int, ours: Used, peer: Used, beside: str, *, note: str = ""
) -> Sequence[Figure]:
    name, what = f"ten-thousand-tables-{section}", f"{section} with {tables:,} tables"
    each = f"{note} {ours[0] / tables * 1000:.3g} ms and {ours[1] * 1024 / tables:.3g} kB a table.".strip()
    return [
        Figure(name, what, beside, ours[:1], peer[:1], note=each),
        Figure(f"{name}-memory", f"{what}: peak of memory", beside, ours[1:], peer[1:], unit="MB"),
    ]


def _make(place: Ground, tables: int) -> None:
    place.renew()
    place.primary.execute(f"CREATE DATABASE {_DATABASE}")
    for start in range(0, tables, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, tables))
        place.primary.execute("; ".join(map(_TABLE.format, numbers)), database=_DATABASE)
    place.primary.session(_DATABASE).close()
    make_room(place, [_DATABASE])


def _run(place: Ground, *arguments: str) -> Used:
    """The seconds of `pgnb run`, and the peak of its kernel."""
    began = perf_counter()
    with measured_runs(place.folder) as (environment, found):
        place.run(*arguments, environment=environment)
        used = perf_counter() - began, max(run.peak for run in found()) / _MEGABYTE
    say(f"{arguments[0]}: {used[0]:.1f} s, {used[1]:.0f} MB")
    return used


def _beside(place: Ground, work: Callable[[Session], None], selector: str, password: str) -> Used:
    """The same by plain sessions, in a process of its own."""
    alone = partial(measured_alone, replace(place), work, ((PRIMARY, PASSWORD), (selector, password)))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(alone).result()


def measured_alone(
    place: Ground, work: Callable[[Session], None], servers: Sequence[tuple[str, str]]
) -> Used:
    """What the work takes with a session on each of the servers, and the peak of this process."""
    found = [find_server(place.cluster, selector, password=password) for selector, password in servers]
    began = perf_counter()
    for server in found:
        with server.new_session(_DATABASE) as session:
            work(session)
    took = perf_counter() - began
    for server in found:
        server.close()
    place.close()
    return took, peak() / _MEGABYTE


def count_plainly(session: Session) -> None:
    """One statement a table."""
    for row in session.query(_NAMES):
        session.query(f"SELECT count(*) AS rows FROM {row['name']}")


def read_plainly(session: Session) -> None:
    """Every column of every table."""
    session.query(_COLUMNS)
