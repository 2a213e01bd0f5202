"""Monitoring for a time: every server sampled on its own thread, shown meanwhile, stored as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from time import monotonic
from types import TracebackType

from pgnb.core.errors import ParameterError
from pgnb.observe import counters
from pgnb.observe.limits import Limits
from pgnb.observe.poller import Poller
from pgnb.observe.recording import Recording, Values
from pgnb.observe.samplefile import target_of, write_samples
from pgnb.observe.sampler import LagSampler, key_of
from pgnb.observe.view import view_for
from pgnb.postgres import Server

PRIMARY = "primary"
"""The primary's name in a recording; pods change, and two runs must be comparable."""
_STORE_EVERY = 30.0
_FIRST_SAMPLE = 15.0


class Monitor:
    """Sample lag, slots, receivers, checkpoints and conflicts, once every `interval` seconds.

    Source: what LagSampler reads, pg_stat_database, pg_stat_database_conflicts, pg_stat_wal,
    pg_stat_checkpointer (before 17: pg_stat_bgwriter), pg_stat_archiver. Needs pg_monitor or superuser.
    """

    def __init__(self, primary: Server, standbys: Sequence[Server] = (), *, interval: float = 1.0) -> None:
        self._stop = Event()
        self._primary = primary
        self._lag = LagSampler(primary, standbys, hz=1 / interval)
        self._pollers = [
            Poller(server, "observe/counters", 1 / interval, self._lag.began, self._stop)
            for server in (primary, *standbys)
        ]
        self._settings: dict[str, float | None] = {}

    def __enter__(self) -> Monitor:
        """Start, and return when each present server has been sampled once."""
        self._settings = dict(self._primary.fetch_one("observe/wal_settings"))
        there = [poller for poller in self._pollers if poller.server.present]
        for poller in there:
            poller.start()
        self._lag.__enter__()
        for poller in there:
            poller.first_sample.wait(_FIRST_SAMPLE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._lag.__exit__(kind, error, trace)
        for poller in self._pollers:
            poller.join()

    def recording(self, path: str = "") -> Recording:
        """Return the recording so far."""
        lag, names = self._lag.samples(), self._lag.names
        samples = [list(poller.samples) for poller in self._pollers]
        times = counters.grid(lag, samples)
        of = {names.get(key_of(one[-1].rows[0]), ""): one for one in samples[1:] if one}
        columns: dict[tuple[str, str], Values] = {}
        found = {PRIMARY: counters.columns_of_primary(self._lag.positions, samples[0], lag.hz)}
        found |= {
            series.name: counters.columns_of_standby(series, of.get(series.name, ()), lag.hz)
            for series in lag.series
        }
        for subject, measures in found.items():
            for measure, points in measures.items():
                columns[subject, measure] = counters.row_of(points, times)
        troubles = dict.fromkeys([*lag.troubles, *(t for poller in self._pollers for t in poller.troubles)])
        return Recording(
            lag.began, 1 / lag.hz, times, columns, PRIMARY, self._settings, tuple(troubles), path
        )


def monitor(
    primary: Server,
    standbys: Sequence[Server],
    limits: Limits,
    *,
    seconds: float = 30.0,
    interval: float = 1.0,
    path: str = "",
) -> Recording:
    """Sample for `seconds` (0: until the kernel is interrupted, ■), once every `interval` seconds.

    In JupyterLab the plot grows meanwhile, and an interrupt ends the sampling, not the notebook. The samples
    are stored as CSV: in `path`, or beside the run's record; not in an interactive session without a path.
    Raises ParameterError for an invalid interval or time, and for no end in a run without a person.
    """
    journal = primary.journal
    _assert_possible(seconds, interval, watched=journal.path is None)
    target = target_of(path, journal)
    with Monitor(primary, standbys, interval=interval) as sampling:
        try:
            _watch_over(sampling, seconds, limits, target, headless=journal.path is not None)
        except KeyboardInterrupt:
            if journal.path is not None:
                raise
    recording = sampling.recording(str(target or ""))
    if target is not None:
        write_samples(recording, target)
    journal.figure("lag", recording.lag)
    return recording


def _assert_possible(seconds: float, interval: float, *, watched: bool) -> None:
    if not 0.05 <= interval <= 10:
        raise ParameterError(
            "samples cannot be taken at that interval", found=f"{interval:g} s", remedy="0.05 to 10 seconds."
        )
    if seconds < 0 or (seconds == 0 and not watched):
        raise ParameterError(
            "this run would never end" if seconds == 0 else "a time cannot be negative",
            found=f"{seconds:g} s",
            remedy="Give monitor_seconds; 0 (no end) only in JupyterLab, where ■ stops it.",
        )


def _watch_over(
    sampling: Monitor, seconds: float, limits: Limits, target: Path | None, *, headless: bool
) -> None:
    began, stored, pause = monotonic(), monotonic(), Event()
    view = view_for(seconds, limits, headless=headless)
    try:
        while not seconds or monotonic() - began < seconds:
            left = began + seconds - monotonic() if seconds else view.every
            pause.wait(min(left, view.every))
            recording = sampling.recording(str(target or ""))
            view.show(recording)
            if target is not None and monotonic() - stored > _STORE_EVERY:
                write_samples(recording, target)
                stored = monotonic()
    finally:
        view.close(monotonic() - began)
