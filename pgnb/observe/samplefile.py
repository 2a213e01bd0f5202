"""Recordings as CSV files: one line a sample, a column for each server and measure."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.core.private import private_opener
from pgnb.observe.recording import MEASURES, Recording, Values

FILE = "samples.csv"
"""The name of a run's samples in its record's folder."""


def target_of(path: str, journal: Journal) -> Path | None:
    """Return where a run's samples are stored: the path, else beside its record, else None."""
    if path:
        return Path(path).expanduser()
    return journal.path.parent / FILE if journal.path else None


def write_samples(recording: Recording, path: Path) -> None:
    """Store a recording; the file is complete at any time. Raises ParameterError if it cannot be written."""
    part = path.with_name(f"{path.name}.part")
    keys = list(recording.columns)
    try:
        with open(part, "w", encoding="utf-8", newline="", opener=private_opener) as file:
            writer = csv.writer(file)
            writer.writerow(["time", "seconds", *(f"{subject}:{measure}" for subject, measure in keys)])
            for index, at in enumerate(recording.times):
                values = [_text(recording.columns[key][index]) for key in keys]
                writer.writerow([_clock(recording.began, at), f"{at:.3f}", *values])
        part.replace(path)
    except OSError as error:
        raise ParameterError(
            f"the samples cannot be stored as {path}",
            found=error.strerror or str(error),
            remedy="Set samples_file to a file in an existing folder.",
        ) from error


def read_samples(path: Path) -> Recording:
    """Return a recording from its file. Raises ParameterError for another file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *lines = list(csv.reader(file))
        keys = [_key(name) for name in header[2:]]
        cells = [[float(cell) if cell else None for cell in line[2:]] for line in lines]
        times = tuple(float(line[1]) for line in lines)
        columns: dict[tuple[str, str], Values] = {
            key: tuple(line[index] for line in cells) for index, key in enumerate(keys)
        }
        began = datetime.fromisoformat(lines[0][0]) if lines and lines[0][0] else None
    except (OSError, ValueError, IndexError) as error:
        raise ParameterError(
            f"{path} cannot be read as samples",
            found=str(error),
            remedy=f"Give the {FILE} of a run of 10_monitoring.",
        ) from error
    interval = times[1] - times[0] if len(times) > 1 else 0.0
    primary = next((subject for subject, measure in keys if measure == "wal_rate"), "")
    return Recording(began, interval, times, columns, primary, path=str(path))


def _key(name: str) -> tuple[str, str]:
    subject, _, measure = name.rpartition(":")
    if measure not in MEASURES:
        raise ValueError(f"no measure has the name {measure!r}")
    return subject, measure


def _clock(began: datetime | None, at: float) -> str:
    return (began + timedelta(seconds=at)).isoformat(timespec="milliseconds") if began else ""


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if value != int(value) else str(int(value))
