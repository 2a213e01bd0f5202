"""What a fleet asks of one API server, from the requests of one target's nightly checks."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Figure, seconds
from benchmarks.ground import Ground, Size
from benchmarks.measured import measured_runs
from benchmarks.places import fresh

_NIGHTLY = ("00", "01", "08", "10", "11")
_TARGETS, _AT_ONCE = 200, 10


def load(ground: Ground, _size: Size) -> Sequence[Figure]:
    """Requests and seconds of the nightly checks of one pair; 200 targets are computed from them."""
    with fresh(ground, "nightly") as place:
        place.run("02", "03")
        with measured_runs(place.folder) as (environment, found):
            took = seconds(lambda: place.run(*_NIGHTLY, environment=environment))
            runs = found()
    requests = float(sum(run.requests + run.streams for run in runs))
    rate, minutes = _AT_ONCE * requests / took, _TARGETS / _AT_ONCE * took / 60
    note = (
        f"Of {', '.join(_NIGHTLY)}, execs and forwards among them, on one target. Simulated for"
        f" {_TARGETS} targets, {_AT_ONCE} pods at once on nodes of their own: {rate:.0f} requests a second"
        f" for {minutes:.0f} min."
    )
    return [
        Figure(
            "fleet-load-requests", "requests of the nightly checks", "none", [requests], unit="", note=note
        ),
        Figure("fleet-load-seconds", "nightly checks of one target", "none", [took], note=note),
    ]
