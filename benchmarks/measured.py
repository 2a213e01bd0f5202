"""What the kernels of `pgnb run` used: memory, requests, statements."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

_HOOK = Path(__file__).with_name("hook")


@dataclass(frozen=True)
class Measured:
    """One kernel; `peak` of its memory in bytes."""

    run: str
    requests: int
    streams: int
    statements: int
    peak: int

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Measured:
        """As the hook wrote it; the run is the folder of its record."""
        counts = {key: value for key, value in said.items() if key != "journal"}
        return cls(Path(said["journal"]).parent.name, **counts)


@contextmanager
def measured_runs(folder: Path) -> Iterator[tuple[Mapping[str, str], Callable[[], Sequence[Measured]]]]:
    """What the environment of `pgnb run` needs, and what reads its kernels' figures once it has ended."""
    with TemporaryDirectory(prefix="measured-", dir=folder) as found:
        path = os.pathsep.join(part for part in (str(_HOOK), os.environ.get("PYTHONPATH", "")) if part)
        yield {"PYTHONPATH": path, "PGNB_BENCH_MEASURED": found}, lambda: _read(Path(found))


def _read(folder: Path) -> Sequence[Measured]:
    said = [json.loads(file.read_text("utf-8")) for file in folder.iterdir()]
    found = sorted((Measured.of(one) for one in said if one["journal"]), key=lambda one: one.run)
    if not found:
        raise click.ClickException("no kernel wrote what it used: see benchmarks/hook/sitecustomize.py")
    return found
