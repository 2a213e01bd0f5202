"""Recommendations of section 10.1 from a recording: network, resources, WAL segments, checkpoints.

Advice is given only if the figures require it; otherwise the figures show why there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgnb.core.display import Cell, Displayable, Table, format_bytes, format_duration
from pgnb.observe.limits import Limits
from pgnb.observe.recording import Recording

_NOTICEABLE = 0.1
"""The share of a limit from which lag is worth checking."""
_FAST_SEGMENTS = 60.0
"""Segments a minute: an archive_command that is called more than once a second falls behind."""
_MANY_IMAGES = 0.5
_FEW = 10
"""Samples that a figure needs at least."""


@dataclass(frozen=True)
class Recommendation:
    """One point of section 10.1: its `figures`, and the `advice`, "" if none is needed."""

    topic: str
    subject: str
    figures: str
    advice: str = ""


@dataclass(frozen=True, repr=False)
class Recommendations(Displayable):
    """All points of section 10.1, with what to do about each."""

    items: tuple[Recommendation, ...]

    @property
    def due(self) -> tuple[Recommendation, ...]:
        """The points that need action."""
        return tuple(item for item in self.items if item.advice)

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    @property
    def table(self) -> Table:
        """Topic, server, figures and advice."""
        rows = [
            (item.topic, item.subject, item.figures, item.advice or Cell("nothing to do", "good"))
            for item in self.items
        ]
        title = f"{len(self.due)} of {len(self.items)} points need action" if self.due else ""
        columns = ("point of 10.1", "server", "figures", "advice")
        return Table.of(columns, rows, title=title or "No change is needed")


def recommend(recording: Recording, limits: Limits) -> Recommendations:
    """Return the points of section 10.1 for the primary and each standby of a recording."""
    if len(recording.times) < _FEW:
        few = f"{len(recording.times)} samples: too few for a recommendation"
        return Recommendations((Recommendation("all", recording.primary, few, "Sample for longer."),))
    items = [item for name in recording.standbys for item in _of_standby(recording, name, limits)]
    return Recommendations((*items, _segments(recording), _checkpoints(recording), _images(recording)))


def _of_standby(recording: Recording, name: str, limits: Limits) -> Iterator[Recommendation]:
    network, disk, replay = _stages(recording, name)
    slow = _is_slow(recording, name, limits)
    worst = max(network, disk, replay)
    lag = recording.at_least(name, "write_seconds", 0.5)
    figures = f"p95 {format_bytes(network)} sent late or under way; write_lag median {format_duration(lag)}"
    yield Recommendation("network", name, figures, _NETWORK if slow and network == worst else "")
    figures = f"p95 {format_bytes(disk)} written there but not on its disk"
    yield Recommendation(
        "resources: the standby's disk", name, figures, _DISK if slow and disk == worst else ""
    )
    figures = f"p95 {format_bytes(replay)} on its disk but not replayed"
    yield Recommendation("resources: replay", name, figures, _REPLAY if slow and replay == worst else "")
    yield _conflicts(recording, name)


def _stages(recording: Recording, name: str) -> tuple[float, float, float]:
    """Return the 95th percentile, in bytes, of the lag of each stage: network, the standby's disk, replay."""
    write, flush, replay = (recording.values(name, stage) for stage in ("write", "flush", "replay"))
    there = [
        (w, max(0.0, f - w), max(0.0, r - f))
        for w, f, r in zip(write, flush, replay, strict=True)
        if w is not None and f is not None and r is not None
    ]
    columns = list(zip(*there, strict=True)) or [(0.0,)] * 3
    network, disk, held = (_p95(column) for column in columns)
    return network, disk, held


def _p95(values: tuple[float, ...]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


def _is_slow(recording: Recording, name: str, limits: Limits) -> bool:
    """Return whether the standby is behind often enough, by bytes or by seconds, to be worth checking."""
    behind = recording.at_least(name, "behind", 0.95) or 0.0
    age = recording.at_least(name, "age", 0.95) or 0.0
    return behind > _NOTICEABLE * limits.lag_bytes or age > _NOTICEABLE * limits.lag_seconds


def _conflicts(recording: Recording, name: str) -> Recommendation:
    counted = {kind: recording.counted(name, f"conflicts_{kind}") for kind in _KINDS}
    words = ", ".join(f"{count:.0f} by {kind}" for kind, count in counted.items() if count)
    figures = f"cancelled by recovery: {words}" if words else "no query was cancelled by recovery"
    advice = " ".join(_KINDS[kind] for kind, count in counted.items() if count)
    return Recommendation("resources: queries on the standby", name, figures, advice)


def _segments(recording: Recording) -> Recommendation:
    size = recording.settings.get("wal_segment_size") or 0.0
    rate = _mean(recording, "wal_rate")
    if not size:
        return Recommendation("wal_segment_size", recording.primary, "not known: the primary was not asked")
    a_minute = rate * 60 / size
    archiving = bool(recording.settings.get("archiving"))
    figures = (
        f"{a_minute:.1f} segments of {format_bytes(size)} a minute, {'' if archiving else 'not '}archived"
    )
    due = archiving and a_minute > _FAST_SEGMENTS
    return Recommendation("wal_segment_size", recording.primary, figures, _SEGMENTS if due else "")


def _checkpoints(recording: Recording) -> Recommendation:
    settings, primary = recording.settings, recording.primary
    timeout, most = settings.get("checkpoint_timeout"), settings.get("max_wal_size")
    if not timeout or not most:
        return Recommendation("checkpoints", primary, "not known: the primary was not asked")
    wanted = _mean(recording, "wal_rate") * timeout * (1 + (settings.get("completion_target") or 0))
    asked, timed = (recording.counted(primary, f"checkpoints_{how}") for how in ("requested", "timed"))
    figures = (
        f"{asked:.0f} by WAL or on request, {timed:.0f} by time; at this rate"
        f" {format_bytes(wanted)} of WAL for checkpoint_timeout = {format_duration(timeout)},"
        f" max_wal_size = {format_bytes(most)}"
    )
    advice = _CHECKPOINTS.format(wanted=format_bytes(wanted)) if wanted > most else ""
    return Recommendation("checkpoints", primary, figures, advice)


def _images(recording: Recording) -> Recommendation:
    """Return the point about full-page images.

    A longer time between checkpoints and compression make them fewer and smaller.
    """
    images = recording.counted(recording.primary, "full_page_images")
    written = _mean(recording, "wal_rate") * recording.seconds
    share = images * (recording.settings.get("block_size") or 0) / written if written else 0.0
    compressed = bool(recording.settings.get("compressing"))
    figures = f"{images:,.0f} full-page images, at most {min(share, 1):.0%} of the WAL"
    due = share > _MANY_IMAGES and images > 1000 and not compressed
    return Recommendation("full-page images", recording.primary, figures, _IMAGES if due else "")


def _mean(recording: Recording, measure: str) -> float:
    known = recording.known(recording.primary, measure)
    return sum(known) / len(known) if known else 0.0


_NETWORK = (
    "WAL waits to be sent or is being sent: compare the bandwidth between the nodes with the"
    " WAL written a second, and check wal_compression and other traffic of the nodes."
)
_DISK = (
    "The standby receives faster than its disk writes: compare its volume's class and limits"
    " with the primary's, and check for other load on that node."
)
_REPLAY = (
    "The standby has the WAL and does not replay it fast enough: replay is one process, so"
    " check its CPU limit and the latency of its disk, recovery_prefetch (since 15), and"
    " queries that delay replay (max_standby_streaming_delay)."
)
_KINDS = {
    "snapshot": "Queries need rows that VACUUM removed: hot_standby_feedback keeps them, but"
    " causes bloat on the primary; or let replay wait longer"
    " (max_standby_streaming_delay).",
    "lock": "DDL or VACUUM's truncation took a lock that queries held: run DDL when few"
    " queries run, or set vacuum_truncate = off for that table.",
    "bufferpin": "Queries held a page that replay had to clean: use shorter queries, or a"
    " longer max_standby_streaming_delay.",
    "deadlock": "Replay and queries waited for each other: use shorter transactions on the standby.",
}
_SEGMENTS = (
    "archive_command is called more than once a second: larger segments mean fewer calls;"
    " they don't make replication faster. initdb --wal-segsize sets the size, or pg_resetwal"
    " --wal-segsize on a cleanly stopped server (11), after which every standby needs a new"
    " base backup."
)
_CHECKPOINTS = (
    "WAL causes checkpoints before the time is over: set max_wal_size to {wanted} or more"
    " (06_online_changes, a reload), so that writing spreads over checkpoint_timeout; check"
    " the room on the WAL's volume."
)
_IMAGES = (
    "Full-page images are a large part of the WAL: wal_compression = on makes them smaller,"
    " a longer checkpoint_timeout makes them fewer (both need a reload)."
)
