"""Ask a server the same query repeatedly, on a thread and a session of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from time import monotonic

from pgnb.core.errors import PgnbError
from pgnb.postgres import Server, Session
from pgnb.postgres.queries import sql_of
from pgnb.postgres.session import Row

_PATIENCE = 1.0
"""Seconds that a sample waits for a connection or an answer; then it counts as not seen."""


@dataclass(frozen=True)
class Sample:
    """A server's answer, `at` seconds after the polling began."""

    at: float
    rows: Sequence[Row]


@dataclass
class Poller:
    """One server, asked the named query `hz` times a second from `began` (monotonic) until `stop` is set.

    `samples` are its answers, `troubles` the errors of a server that was away, `skipped` the number of
    samples that were due while the one before them still waited.
    """

    server: Server
    query: str
    hz: float
    began: float
    stop: Event
    samples: list[Sample] = field(default_factory=list)
    troubles: dict[str, None] = field(default_factory=dict)
    skipped: int = 0
    first_sample: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def start(self) -> None:
        """Start polling; `first_sample` is set when the first answer, or the first error, is there."""
        self._thread = Thread(target=self._run, name=f"pgnb-watch {self.server.name}", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, after `stop` was set."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        login = replace(
            self.server.login, reconnect_timeout=_PATIENCE, connect_timeout=2, statement_timeout=2 * _PATIENCE
        )
        session = Session(self.server.route, login, self.server.database)
        tick = 0
        try:
            while not self.stop.wait(max(0.0, self.began + tick / self.hz - monotonic())):
                self._sample(session)
                due = int((monotonic() - self.began) * self.hz) + 1
                self.skipped += due - tick - 1
                tick = due
        finally:
            session.close()

    def _sample(self, session: Session) -> None:
        at = monotonic() - self.began
        try:
            rows = session.query(sql_of(self.query, self.server.facts.major))
            self.samples.append(Sample(at, rows))
        except PgnbError as error:
            # The samples show that the server was away; its error goes into the note.
            self.troubles[f"{self.server.name}: {error.message}"] = None
        self.first_sample.set()
