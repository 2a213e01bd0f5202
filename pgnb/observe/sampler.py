"""Sampling lag: every server has a thread and a session of its own, so that none holds up another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Any

from pgnb.errors import ParameterError, PgnbError
from pgnb.observe.lag import LagSample, LagSamples, LagSeries, Span
from pgnb.server import Server, Session
from pgnb.server.queries import sql_of
from pgnb.server.session import Row

_PATIENCE = 1.0
"""Seconds that a sample waits for a connection or an answer: then it counts as not seen."""
_FIRST_LOOK = 15.0
"""Seconds for the first look, which may have to open the way to the pod."""
_FROM_PRIMARY = (
    "sent", "write", "flush", "replay", "write_seconds", "flush_seconds", "replay_seconds", "retained"
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What a server answered, `at` seconds after the sampling began."""

    at: float
    rows: Sequence[Row]


@dataclass
class _Watch:
    """One server, asked the same question `hz` times a second by a thread until `stop` is set."""

    server: Server
    query: str
    hz: float
    began: float
    stop: Event
    looks: list[Look] = field(default_factory=list)
    troubles: dict[str, None] = field(default_factory=dict)
    skipped: int = 0
    looked: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def start(self) -> None:
        self._thread = Thread(target=self._run, name=f"pgnb-lag {self.server.name}", daemon=True)
        self._thread.start()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        login = replace(
            self.server.login, patience=_PATIENCE, connect_timeout=2, statement_timeout=2 * _PATIENCE
        )
        session = Session(self.server.route, login, self.server.database)
        tick = 0
        try:
            while not self.stop.wait(max(0.0, self.began + tick / self.hz - monotonic())):
                self._look(session)
                due = int((monotonic() - self.began) * self.hz) + 1
                self.skipped += due - tick - 1
                tick = due
        finally:
            session.close()

    def _look(self, session: Session) -> None:
        at = monotonic() - self.began
        try:
            rows = session.query(sql_of(self.query, self.server.facts.major))
            self.looks.append(Look(at, rows))
        except PgnbError as error:
            # A server that is away is what the samples are to show; its words go into the note.
            self.troubles[f"{self.server.name}: {error.message}"] = None
        self.looked.set()


class LagSampler:
    """Samples the lag of every standby of a primary, `hz` times a second, while the block runs.

        with LagSampler(primary, [standby]) as sampler:
            with sampler.span("load"):
                run_load(…)
        sampler.samples()

    The primary is asked for what it knows of its standbys and slots; each standby in `standbys`, for itself.
    Needs pg_monitor or superuser. Source: pg_stat_replication, pg_replication_slots, pg_stat_wal_receiver.
    """

    def __init__(self, primary: Server, standbys: Sequence[Server] = (), *, hz: float = 10.0) -> None:
        if not 0.1 <= hz <= 100:
            raise ParameterError(
                "lag cannot be sampled at that rate", found=f"{hz:g} Hz", remedy="Choose 0.1 to 100 Hz."
            )
        self.hz = hz
        self.began = monotonic()
        self.began_at = datetime.now(UTC)
        self._stop = Event()
        self._spans: list[Span] = []
        self._primary = self._watch(primary, "observe/lag_primary")
        self._standbys = [self._watch(standby, "observe/lag_standby") for standby in standbys]

    def _watch(self, server: Server, query: str) -> _Watch:
        return _Watch(server, query, self.hz, self.began, self._stop)

    def __enter__(self) -> LagSampler:
        """Begin, and return when each server that is there has been looked at once."""
        present = [watch for watch in self._watches if watch.server.present]
        for watch in present:
            watch.start()
        for watch in present:
            watch.looked.wait(_FIRST_LOOK)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for watch in self._watches:
            watch.join()

    @property
    def _watches(self) -> list[_Watch]:
        return [self._primary, *self._standbys]

    @contextmanager
    def span(self, label: str) -> Iterator[None]:
        """Name the time that the block takes, to be marked in the plot."""
        start = monotonic() - self.began
        try:
            yield
        finally:
            self._spans.append(Span(label, start, monotonic() - self.began))

    def samples(self) -> LagSamples:
        """What was seen until now."""
        return LagSamples(
            series=merge(self._primary.looks, [watch.looks for watch in self._standbys], self.hz),
            spans=tuple(self._spans),
            hz=self.hz,
            began=self.began_at,
            skipped=sum(watch.skipped for watch in self._watches),
            troubles=tuple(trouble for watch in self._watches for trouble in watch.troubles),
        )


def merge(primary: Sequence[Look], standbys: Sequence[Sequence[Look]], hz: float) -> tuple[LagSeries, ...]:
    """Samples of each standby from what the primary and the standbys said at about the same time.

    A standby is known by its slot, or, where it has none, by its application_name; a look of its own counts
    when it is not further away in time than one and a half ticks.
    """
    names = _names(primary)
    own = {_key(looks[-1].rows[0]): looks for looks in standbys if looks}
    return tuple(
        LagSeries(names[key], tuple(_samples(key, primary, own.get(key, ()), 1.5 / hz))) for key in names
    )


def _names(primary: Sequence[Look]) -> dict[str, str]:
    """Each standby's key, with the name that a reader knows it by: its application_name, or its slot's."""
    names: dict[str, str] = {}
    for row in (row for look in primary for row in look.rows):
        if key := _key(row):
            names[key] = str(row["application_name"] or names.get(key) or row["slot_name"])
    return names


def _key(row: Row) -> str:
    return str(row["slot_name"] or row["application_name"] or "")


def _samples(key: str, primary: Sequence[Look], own: Sequence[Look], near: float) -> Iterator[LagSample]:
    nearest = _nearest(own)
    for look in primary:
        row = next((row for row in look.rows if _key(row) == key), None)
        sample = LagSample(look.at, look.rows[0]["position"])
        if row is not None:
            sample = replace(sample, **{name: row[name] for name in _FROM_PRIMARY}, **_words(row))
        itself = nearest(look.at)
        if itself is not None and abs(itself.at - look.at) <= near:
            sample = replace(sample, **_own_words(itself.rows[0]))
        yield sample


def _words(row: Row) -> dict[str, Any]:
    return {"state": row["state"] or "", "wal_status": row["wal_status"] or ""}


def _own_words(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("received", "replayed", "receiver", "pause_state")}


def _nearest(looks: Sequence[Look]) -> Callable[[float], Look | None]:
    times = [look.at for look in looks]

    def find(at: float) -> Look | None:
        index = bisect_left(times, at)
        return min(looks[max(0, index - 1) : index + 1], key=lambda look: abs(look.at - at), default=None)

    return find
