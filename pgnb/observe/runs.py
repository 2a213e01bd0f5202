"""Compare two recordings: what became better, what worse."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pgnb.core.display import Cell, Displayable, Table, Tone
from pgnb.core.errors import ParameterError
from pgnb.observe.recording import MEASURES, Recording, spelled
from pgnb.observe.samplefile import FILE, read_samples

_COMPARED = (
    "wal_rate",
    "commit_rate",
    "behind",
    "age",
    "write_seconds",
    "flush_seconds",
    "replay_seconds",
    "retained",
)
_LESS_IS_BETTER = ("behind", "age", "write_seconds", "flush_seconds", "replay_seconds", "retained")
_SAME = 0.2
"""A relative change below this is not reported."""
_NOISE = {"bytes": 8192.0, "seconds": 0.1}
"""If both values are below this, there is no change."""
_SYSTEM = ("kubeconfig", "context", "namespace", "primary_selector")
LAST = "last"


@dataclass(frozen=True, repr=False)
class RunComparison(Displayable):
    """Medians and 95th percentiles of an earlier recording and of this one."""

    earlier: Recording | None
    now: Recording
    note: str = ""

    @property
    def table(self) -> Table:
        """One measure a line, with its change."""
        if self.earlier is None:
            return Table.of((), (), title="Compared with an earlier run", note=self.note)
        rows = [row for key in self.now.columns if (row := self._row(self.earlier, *key))]
        began = f"{self.earlier.began:%Y-%m-%d %H:%M} UTC" if self.earlier.began else "an earlier run"
        columns = ("server", "measure", "median then", "median now", "p95 then", "p95 now", "p95 changed")
        return Table.of(columns, rows, title=f"Compared with the run of {began}", note=self.note)

    def _row(self, earlier: Recording, subject: str, measure: str) -> tuple[object, ...] | None:
        pairs = [
            (earlier.at_least(subject, measure, share), self.now.at_least(subject, measure, share))
            for share in (0.5, 0.95)
        ]
        if measure not in _COMPARED or all(value is None for pair in pairs for value in pair):
            return None
        label, kind = MEASURES[measure]
        shown = [spelled(value, kind) for pair in pairs for value in pair]
        return (subject, label, *shown, _changed(*pairs[1], measure))


def _changed(then: float | None, now: float | None, measure: str) -> Cell:
    if then is None or now is None:
        return Cell("not comparable", "dim")
    if not then:
        return Cell("–" if not now else "from 0", "dim")
    change = (now - then) / then
    small = max(then, now) <= _NOISE.get(MEASURES[measure][1], 0.0)
    if abs(change) <= _SAME or small or measure not in _LESS_IS_BETTER:
        return Cell(f"{change:+.0%}", "dim")
    tone: Tone = "good" if change < 0 else "warn"
    return Cell(f"{change:+.0%}", tone)


def compare_runs(now: Recording, earlier: str) -> RunComparison:
    """Compare this recording with an earlier one: a samples file, a record's folder, `last`, or "".

    `last` is the newest one of the same system in the folder of this run's record. Raises ParameterError for
    a path without samples.
    """
    if not earlier:
        return RunComparison(None, now, "No earlier run was given.")
    path = _last(now) if earlier == LAST else _named(earlier)
    if path is None:
        return RunComparison(None, now, "There is no earlier run with samples to compare with.")
    return RunComparison(read_samples(path), now, f"Then: {path}")


def _named(text: str) -> Path:
    path = Path(text).expanduser()
    found = path / FILE if path.is_dir() else path
    if not found.is_file():
        raise ParameterError(
            "there are no samples to compare with",
            found=str(found),
            remedy=f"Set compare_with to a {FILE}, a record's folder, {LAST!r}, or nothing.",
        )
    return found


def _last(now: Recording) -> Path | None:
    """Return the newest samples of another run on the same system; records are named by their time."""
    if not now.path:
        return None
    own = Path(now.path).resolve()
    system = _system_of(own.parent)
    if system is None:
        return None
    others = [path for path in own.parent.parent.glob(f"*/{FILE}") if path.resolve() != own]
    same = (path for path in others if _system_of(path.parent) == system)
    return max(same, key=lambda path: path.parent.name, default=None)


def _system_of(record: Path) -> tuple[object, ...] | None:
    """Return the parameters by which a record's run found its servers; None for a folder without a record."""
    try:
        parameters = json.loads((record / "record.json").read_text(encoding="utf-8"))["parameters"]
        return tuple(parameters.get(name) for name in _SYSTEM)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Samples may be anywhere; only for those in a record the system is known.
        return None
