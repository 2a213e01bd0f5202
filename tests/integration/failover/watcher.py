"""Poll servers every 20 ms, and record when each would accept a client's write."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from pgnb.cluster import Cluster, Pod, connect
from pgnb.core.errors import PgnbError
from pgnb.postgres import Login, Server
from pgnb.postgres.route import ThroughPod

EVERY = 0.02
_WRITABLE = """\
SELECT NOT pg_catalog.pg_is_in_recovery()
   AND (SELECT setting = 'off' FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only')"""


@dataclass
class Watched:
    """One workload's server, and the spans (begin, end; seconds) in which it was writable."""

    name: str
    kubeconfig: Path
    namespace: str
    spans: list[tuple[float, float]] = field(default_factory=list)
    looks: int = 0
    _stop: Event = field(default_factory=Event)

    def watch(self) -> None:
        cluster = connect(str(self.kubeconfig), "", self.namespace, dry_run=True)
        while not self._stop.is_set():
            with suppress(PgnbError):  # No pod, or one that ends: it is searched again.
                self._follow(cluster)
            self._stop.wait(EVERY)
        cluster.close()

    def _follow(self, cluster: Cluster) -> None:
        pod = _running(cluster, self.name)
        if pod is None:
            return
        login = Login(
            "postgres",
            lambda: cluster.resolve_password("secret:postgres-primary/password").reveal(),
            connect_timeout=2,
            reconnect_timeout=0.0,
        )
        server = Server(ThroughPod(cluster, f"app={self.name}", "", 5432, pod), login, cluster.journal)
        since = None
        try:
            with server.new_session() as session:
                while not self._stop.wait(EVERY):
                    asked = monotonic()
                    writable = bool(session.query(_WRITABLE)[0]["?column?"])
                    self.looks += 1
                    since = (since or asked) if writable else None
                    if since is not None:
                        self._keep(since, asked)
        finally:
            server.close()

    def _keep(self, since: float, until: float) -> None:
        if self.spans and self.spans[-1][0] == since:
            self.spans[-1] = (since, until)
        else:
            self.spans.append((since, until))

    def stop(self) -> None:
        self._stop.set()


def _running(cluster: Cluster, name: str) -> Pod | None:
    pods = [pod for pod in cluster.pods(f"app={name}") if pod.phase == "Running" and pod.ip]
    return pods[-1] if pods else None


@dataclass
class Watcher:
    """Several servers, each polled in its own thread."""

    servers: tuple[Watched, ...]
    _threads: list[Thread] = field(default_factory=list)

    @classmethod
    def of(cls, kubeconfig: Path, namespace: str, *names: str) -> Watcher:
        return cls(tuple(Watched(name, kubeconfig, namespace) for name in names))

    def __enter__(self) -> Watcher:
        self._threads = [Thread(target=one.watch, name=f"watch-{one.name}") for one in self.servers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.servers:
            one.stop()
        for thread in self._threads:
            thread.join(timeout=60)

    @property
    def both_writable(self) -> list[str]:
        """Return when two servers were writable at once: names, and seconds."""
        found = []
        for number, one in enumerate(self.servers):
            for other in self.servers[number + 1 :]:
                for begin, end in one.spans:
                    for start, stop in other.spans:
                        common = min(end, stop) - max(begin, start)
                        if common >= 0:
                            found.append(f"{one.name} and {other.name}: {common:.3f} s")
        return found

    @property
    def writable_ever(self) -> set[str]:
        """Return the servers that were ever writable."""
        return {one.name for one in self.servers if one.spans}
