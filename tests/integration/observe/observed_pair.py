"""A primary and its standby, and what may happen to them while they are observed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from pgnb.cluster import Cluster, connect
from pgnb.core.wait import wait_until
from pgnb.postgres import Server, compose
from pgnb.postgres.find import find_server
from pgnb.postgres.progress import marker, wait_replayed

PASSWORD = "secret:primary/password"


@dataclass(frozen=True)
class Pair:
    """The two servers, as an operator's code sees them."""

    kubeconfig: str
    cluster: Cluster
    primary: Server
    standby: Server

    def planning(self) -> Pair:
        """The same pair in a plan-only run."""
        return pair_in(self.kubeconfig, connect(self.kubeconfig, "", self.cluster.namespace, dry_run=True))

    def close(self) -> None:
        self.standby.close()
        self.primary.close()
        self.cluster.close()


def pair_in(kubeconfig: str, cluster: Cluster) -> Pair:
    """The pair in a cluster's namespace."""
    primary = find_server(cluster, "app=primary", password=PASSWORD)
    return Pair(kubeconfig, cluster, primary, find_server(cluster, "app=standby", password=PASSWORD))


@contextmanager
def paused(pair: Pair) -> Iterator[None]:
    """Replay stands still on the standby."""
    pair.standby.query("SELECT pg_wal_replay_pause()")
    wait_until(
        "replay is paused",
        lambda: pair.standby.scalar("SELECT pg_get_wal_replay_pause_state()"),
        lambda state: state == "paused",
        timeout=60,
    )
    try:
        yield
    finally:
        pair.standby.query("SELECT pg_wal_replay_resume()")


@contextmanager
def writing(pair: Pair, table: str, every: float) -> Iterator[None]:
    """Somebody inserts into a table all the time."""
    stop = Event()

    def write() -> None:
        with pair.primary.new_session() as session:
            while not stop.wait(every):
                session.execute(f"INSERT INTO {table} DEFAULT VALUES")

    thread = Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def cut_off(pair: Pair) -> Iterator[None]:
    """The standby has no receiver: it does not know where to connect to."""
    conninfo = pair.standby.scalar("SHOW primary_conninfo")
    pair.standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
    pair.standby.execute("SELECT pg_reload_conf()")
    try:
        senders = "SELECT count(*) FROM pg_stat_replication"
        wait_until("no sender", lambda: pair.primary.scalar(senders), lambda count: count == 0, timeout=60)
        yield
    finally:
        pair.standby.execute(compose("ALTER SYSTEM SET primary_conninfo = {}", conninfo), what="as it was")
        pair.standby.execute("SELECT pg_reload_conf()")
        wait_replayed(pair.standby, marker(pair.primary), 60)
