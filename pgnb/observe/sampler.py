"""Sample lag: every server is polled by itself, so that none delays another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any

from pgnb.core.errors import DeadlineExceeded, ParameterError
from pgnb.core.wait import wait_until
from pgnb.observe.lag import MEASURED, LagSample, LagSamples, LagSeries, Span
from pgnb.observe.poller import Poller, Sample
from pgnb.postgres import Server
from pgnb.postgres.session import Row

_FIRST_SAMPLE = 15.0
"""Seconds for the first sample, which may have to open the connection to the pod."""


class LagSampler:
    """Sample the lag of every standby of a primary, `hz` times a second, while the block runs.

        with LagSampler(primary, [standby]) as sampler:
            with sampler.span("load"):
                run_load(…)
        sampler.samples()

    The primary is asked about its standbys and slots; each standby in `standbys` about itself.
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
        self._primary = self._poller(primary, "observe/lag_primary")
        self._standbys = [self._poller(standby, "observe/lag_standby") for standby in standbys]

    def _poller(self, server: Server, query: str) -> Poller:
        return Poller(server, query, self.hz, self.began, self._stop)

    def __enter__(self) -> LagSampler:
        """Start, and return when each present server has been sampled once."""
        present = [poller for poller in self._pollers if poller.server.present]
        for poller in present:
            poller.start()
        for poller in present:
            poller.first_sample.wait(_FIRST_SAMPLE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for poller in self._pollers:
            poller.join()

    @property
    def _pollers(self) -> list[Poller]:
        return [self._primary, *self._standbys]

    @property
    def names(self) -> dict[str, str]:
        """The standbys seen so far: the key of their rows (`key_of`), and their names."""
        return names_of(merge_pending_slots(self._primary.samples))

    @property
    def positions(self) -> list[tuple[float, int]]:
        """The primary's WAL position: seconds since the beginning, bytes."""
        return [(sample.at, sample.rows[0]["position"]) for sample in list(self._primary.samples)]

    @contextmanager
    def span(self, label: str) -> Iterator[None]:
        """Name the time of the block, to be marked in the plot."""
        start = monotonic() - self.began
        try:
            yield
        finally:
            self._spans.append(Span(label, start, monotonic() - self.began))

    def wait_recovery(self, timeout: float = 60.0) -> None:
        """Continue sampling until every connected standby has replayed what the last span wrote.

        If that takes longer than `timeout` seconds, the samples show it; it is not an error.
        """
        ended = self._spans[-1].end if self._spans else monotonic() - self.began
        with suppress(DeadlineExceeded):  # The samples show it: "not caught up".
            wait_until(
                "the standbys to catch up while sampling",
                lambda: [
                    one for one in self.samples().series if one.samples[-1:] and one.samples[-1].connected
                ],
                lambda seen: all(one.caught_up_after(ended) is not None for one in seen),
                timeout=timeout,
                every=1 / self.hz,
            )

    def samples(self) -> LagSamples:
        """Return the samples so far."""
        return LagSamples(
            series=merge(self._primary.samples, [poller.samples for poller in self._standbys], self.hz),
            spans=tuple(self._spans),
            hz=self.hz,
            began=self.began_at,
            skipped=sum(poller.skipped for poller in self._pollers),
            troubles=tuple(trouble for poller in self._pollers for trouble in poller.troubles),
        )


def merge(
    primary: Sequence[Sample], standbys: Sequence[Sequence[Sample]], hz: float
) -> tuple[LagSeries, ...]:
    """Return the samples of each standby from answers of the primary and the standbys at about the same time.

    A standby is identified by its slot, or, without one, by its application_name; its own answer counts if it
    is at most one and a half ticks away.
    """
    primary = merge_pending_slots(primary)
    names = names_of(primary)
    own = {key_of(samples[-1].rows[0]): samples for samples in standbys if samples}
    return tuple(
        LagSeries(names[key], tuple(_samples(key, primary, own.get(key, ()), 1.5 / hz))) for key in names
    )


def merge_pending_slots(primary: Sequence[Sample]) -> list[Sample]:
    """Merge a walsender that has not acquired its slot yet with that slot's row.

    Both belong to one standby.
    """
    rows = [row for sample in primary for row in sample.rows]
    owners = {row["slot_name"]: row["application_name"] for row in rows if row["slot_name"] and row["state"]}
    return [replace(sample, rows=list(_joined(sample.rows, owners))) for sample in primary]


def _joined(rows: Sequence[Row], owners: Mapping[str, str]) -> Iterator[Row]:
    free = {owners.get(row["slot_name"]): row for row in rows if row["slot_name"] and not row["state"]}
    late = {row["application_name"]: row for row in rows if row["state"] and not row["slot_name"]}
    both = late.keys() & free.keys()
    for row in rows:
        if row["application_name"] in both and row is late[row["application_name"]]:
            slot = free[row["application_name"]]
            yield {name: slot[name] if value is None else value for name, value in row.items()}
        elif not any(row is free[name] for name in both):
            yield row


def names_of(primary: Sequence[Sample]) -> dict[str, str]:
    """Return each standby's key, with its name for a reader: its application_name, or its slot's."""
    names: dict[str, str] = {}
    for row in (row for sample in primary for row in sample.rows):
        if key := key_of(row):
            names[key] = str(row["application_name"] or names.get(key) or row["slot_name"])
    return names


def key_of(row: Row) -> str:
    """Return the key of a standby's rows on both sides: its slot, or, without one, its application_name."""
    return str(row["slot_name"] or row["application_name"] or "")


def _samples(key: str, primary: Sequence[Sample], own: Sequence[Sample], near: float) -> Iterator[LagSample]:
    nearest = _nearest(own)
    for answer in primary:
        row = next((row for row in answer.rows if key_of(row) == key), None)
        sample = LagSample(answer.at, answer.rows[0]["position"])
        if row is not None:
            known = {name: row[name] for name in ("position", *MEASURED)}
            sample = replace(sample, **known, **_words(row))
        itself = nearest(answer.at)
        if itself is not None and abs(itself.at - answer.at) <= near:
            sample = replace(sample, **_own_words(itself.rows[0]))
        yield sample


def _words(row: Row) -> dict[str, Any]:
    return {"state": row["state"] or "", "wal_status": row["wal_status"] or ""}


def _own_words(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("received", "replayed", "receiver", "pause_state")}


def _nearest(samples: Sequence[Sample]) -> Callable[[float], Sample | None]:
    times = [sample.at for sample in samples]

    def find(at: float) -> Sample | None:
        index = bisect_left(times, at)
        return min(
            samples[max(0, index - 1) : index + 1], key=lambda sample: abs(sample.at - at), default=None
        )

    return find
