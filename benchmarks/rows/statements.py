"""Single statements, and many of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import psycopg

from benchmarks.figures import Figure, Work, in_turn, seconds
from benchmarks.ground import Ground, Size
from pgnb.observe.load import run_load
from pgnb.observe.sampler import LagSampler
from pgnb.observe.scratch import Scratch
from pgnb.postgres import Server

_SOCKET_DIRECTORY = "var/run/postgresql"
_SAMPLE = 20
"""Of the procedure's loops, so many turns are measured and the time is scaled."""


def one_statement(ground: Ground, size: Size) -> Sequence[Figure]:
    """`SELECT 1` by a notebook's session, against kubectl exec and against the server's own socket."""
    ground.primary.query("SELECT 1")
    turns = size.many(50)

    def ask() -> None:
        for _ in range(turns):
            ground.primary.query("SELECT 1")

    repetitions = size.many(size.repetitions)
    mine, others = in_turn(ask, lambda: ground.psql("SELECT 1"), repetitions)
    each = [taken / turns for taken in mine]
    note = f"{turns} statements a repetition."
    by_exec = Figure(
        "statement", "one statement", "kubectl exec, psql -c", each, others, goal=0.02, note=note
    )
    return [by_exec, _beside_the_socket(ground, ask, turns, repetitions)]


def _beside_the_socket(ground: Ground, ask: Work, turns: int, repetitions: int) -> Figure:
    """By psycopg where this machine is the server's node, by pgbench in the pod elsewhere."""
    connection = _connect_by_socket(ground.primary, ground.password)
    if connection is None:
        peer, note = "pgbench on the server's Unix socket, in its pod", "No Python beside it."
        mine = [seconds(ask) / turns for _ in range(repetitions)]
        others = [_by_pgbench(ground, turns) for _ in range(repetitions)]
    else:
        peer, note = "psycopg on the server's Unix socket", "The same driver, without Kubernetes in between."
        with connection:
            mine, others = in_turn(ask, lambda: _by_psycopg(connection, turns), repetitions, divide=turns)
    return Figure("statement-socket", "one statement", peer, mine, others, goal=5, note=note)


def _by_psycopg(connection: psycopg.Connection, turns: int) -> None:
    for _ in range(turns):
        connection.execute("SELECT 1").fetchall()


def _by_pgbench(ground: Ground, turns: int) -> float:
    """Seconds for one statement by pgbench in the pod."""
    inside = ["pgbench", "-n", "-U", "postgres", "-t", str(max(turns, 10)), "-f", "/dev/stdin", "postgres"]
    said = ground.kubectl("exec", "-i", ground.primary.pod.name, "--", *inside, given="SELECT 1;\n")
    found = re.search(r"latency average = ([\d.]+) ms", said)
    return float(found[1]) / 1000 if found else float("nan")


def one_exec(ground: Ground, size: Size) -> Sequence[Figure]:
    """A command that does nothing in the server's container."""
    pod = ground.primary.pod
    mine, others = in_turn(
        lambda: ground.cluster.exec(pod, ["true"]),
        lambda: ground.kubectl("exec", pod.name, "--", "true"),
        size.many(3 * size.repetitions),
    )
    return [Figure("exec", "one command in a container", "kubectl exec", mine, others)]


def thousand_inserts(ground: Ground, size: Size) -> Sequence[Figure]:
    """Section 5's load: separate transactions, against the procedure's loop of psql."""
    transactions = size.many(1000)
    turns = min(_SAMPLE, transactions)
    with Scratch(ground.primary, "bench_inserts") as scratch:

        def load() -> None:
            run_load(ground.primary, scratch.database, scratch.table, transactions=transactions)

        def loop() -> None:
            for number in range(turns):
                insert = f"INSERT INTO {scratch.table} (data) VALUES ('bulk-test-{number}')"
                ground.psql(insert, database=scratch.database)

        mine, sampled = in_turn(load, loop, size.many(size.repetitions))
    others = [taken * transactions / turns for taken in sampled]
    note = f"The loop was measured for {turns} rows and scaled to {transactions:,}."
    what = f"{transactions:,} inserts, a transaction each"
    return [Figure("inserts", what, "one kubectl exec each", mine, others, goal=0.02, note=note)]


def tps(ground: Ground, size: Size) -> Sequence[Figure]:
    """pgbench's transactions a second, with the lag sampled 10 times a second and without."""
    length = 1 if size.quick else 10
    standby = ground.standby  # Before the primary: making one restarts it.
    rates: dict[bool, list[float]] = {True: [], False: []}
    with Scratch(ground.primary, "bench_tps") as scratch:
        _pgbench(ground, "-i", "-q", "-s", "1" if size.quick else "10", scratch.database)
        _rate(ground, length, scratch.database)  # Not counted: the first one writes to new pages.
        for turn in range(2 * size.at_most(5)):
            watched = turn % 4 in (1, 2)
            with LagSampler(ground.primary, [standby], hz=10) if watched else nullcontext():
                rates[watched].append(_rate(ground, length, scratch.database))
    what = "pgbench while the lag is sampled at 10 Hz"
    note = f"{length} s each, one client, in the order without, with, with, without; a standby follows."
    return [
        Figure(
            "tps",
            what,
            "pgbench alone",
            rates[True],
            rates[False],
            unit="TPS",
            goal=0.99,
            side="at least",
            note=note,
        )
    ]


def _pgbench(ground: Ground, *arguments: str) -> str:
    return ground.kubectl("exec", ground.primary.pod.name, "--", "pgbench", "-U", "postgres", *arguments)


def _rate(ground: Ground, length: int, database: str) -> float:
    found = re.search(r"tps = ([\d.]+)", _pgbench(ground, "-n", "-T", str(length), database))
    return float(found[1]) if found else float("nan")


def _connect_by_socket(server: Server, password: str) -> psycopg.Connection | None:
    """Connect to `server` without Kubernetes in between; None where its socket is out of reach.

    The files of a container are below /proc/PID/root on its node, for the user that runs it and for root.
    """
    wanted = server.facts.system_identifier
    for socket in Path("/proc").glob(f"[0-9]*/root/{_SOCKET_DIRECTORY}/.s.PGSQL.{server.facts.port}"):
        with suppress(psycopg.OperationalError):
            connection = psycopg.connect(
                host=str(socket.parent), user="postgres", password=password, autocommit=True
            )
            if _identifier(connection) == wanted:
                return connection
            connection.close()
    return None


def _identifier(connection: psycopg.Connection) -> str:
    with closing(connection.execute("SELECT system_identifier::text FROM pg_control_system()")) as found:
        return str((found.fetchone() or [""])[0])
