"""A primary and its standby, and what may happen to them while they are observed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from pgnb.cluster import Cluster, connect
from pgnb.server import Server
from pgnb.server.find import find_server
from pgnb.wait import wait_until

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
        "replay is paused", lambda: pair.standby.scalar("SELECT pg_get_wal_replay_pause_state()"),
        lambda state: state == "paused", timeout=10,
    )  # fmt: skip
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
