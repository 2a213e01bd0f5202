"""`python -m benchmarks [ROW...]`: measure the rows, or those that are named, and write the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import click

from benchmarks.figures import Figure
from benchmarks.ground import Size, chosen
from benchmarks.page import page
from benchmarks.rows import ROWS
from pgnb.errors import PgnbError


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/benchmarks.md"), show_default=True)
@click.option("--repetitions", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--quick", is_flag=True, help="Only to see that a row works: its figures mean nothing.")
def main(names: Sequence[str], out: Path, repetitions: int, *, quick: bool) -> None:
    """Measure each row beside its peer, on the cluster of $KUBECONFIG or on a rehearsal cluster."""
    size, began = Size(quick, repetitions), monotonic()
    figures: list[Figure] = []
    failed: list[str] = []
    with chosen() as ground:
        for name in names or ROWS:
            click.echo(f"{name} …", err=True)
            try:
                figures += ROWS[name](ground, size)
            except (PgnbError, click.ClickException) as error:
                failed.append(f"{name}: {str(error).splitlines()[0]}")
                click.echo(f"{name} failed: {error}", err=True)
        target = ground.described
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(figures, target=target, seconds=monotonic() - began, failed=failed), "utf-8")
    click.echo(f"{out}: {len(figures)} figures, {sum(f.met is False for f in figures)} goals missed")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
