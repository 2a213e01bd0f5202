"""`python -m benchmarks [ROW...]`: measure the rows, or those that are named, and write the page."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import click

from benchmarks.figures import Figure
from benchmarks.ground import Ground, Size
from benchmarks.page import PAGE, page
from benchmarks.places import chosen
from benchmarks.rows import ROWS


@dataclass
class Run:
    """One run of the benchmarks: what it has measured so far, and where that is written."""

    size: Size
    out: Path | None
    began: float = field(default_factory=monotonic)
    figures: list[Figure] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def measure(self, ground: Ground, names: Sequence[str], target: str) -> None:
        """Measure the rows in turn; one that fails is named on the page, and the next one goes on."""
        for number, name in enumerate(names, 1):
            click.echo(f"[{number}/{len(names)}] {name}, after {self._minutes:.1f} min", err=True)
            try:
                self.figures += ROWS[name](ground, self.size)
            except Exception as error:
                words = str(error).splitlines() or [type(error).__name__]
                self.failed.append(f"{name}: {words[0]}")
                click.echo("".join(traceback.format_exception(error)), err=True)
            self._write(target)

    @property
    def _minutes(self) -> float:
        return (monotonic() - self.began) / 60

    def _write(self, target: str) -> None:
        if self.out is not None:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.out.write_text(self.text(target), "utf-8")

    def text(self, target: str) -> str:
        """The page."""
        told = {figure.row for figure in self.figures} | {words.partition(":")[0] for words in self.failed}
        unasked = [name for name in ROWS if not any(row.startswith(name) for row in told)]
        left = [*self.failed, *(f"{name}: this run was not asked for it" for name in unasked)]
        return page(self.figures, target=target, seconds=60 * self._minutes, failed=left)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(ROWS)))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help=f"Where the page goes; {PAGE} where every row is measured, standard output where some are.",
)
@click.option(
    "--repetitions",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Of each row at most; one that takes long has fewer.",
)
@click.option("--quick", is_flag=True, help="Only to see that a row works: its figures mean nothing.")
def main(names: Sequence[str], out: Path | None, repetitions: int, *, quick: bool) -> None:
    """Measure each row beside its peer, on the cluster of $KUBECONFIG or on a rehearsal cluster."""
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))  # So that the cluster goes, too.
    run = Run(Size(quick, repetitions), out if names else out or Path(PAGE))
    with chosen() as ground:
        target = f"{ground.described}, PostgreSQL {ground.primary.facts.version}"
        run.measure(ground, names or list(ROWS), target)
    if run.out is None:
        click.echo(run.text(target))
    missed = sum(figure.met is False for figure in run.figures)
    click.echo(f"{len(run.figures)} figures, {missed} goals missed, {len(run.failed)} rows failed", err=True)
    if run.failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
