"""The commands that run notebooks and read their records: `pgnb run`, `records` and `parameters`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from pgnb.display import Table, spell_seconds
from pgnb.errors import ParameterError
from pgnb.runbook import catalogue, pages, params, runner
from pgnb.runbook.kernels import Kernels
from pgnb.runbook.records import Archive, Record, default_folder

_RECORDS = click.option(
    "--records", type=click.Path(file_okay=False, path_type=Path), default=default_folder,
    help="Folder of the records (PGNB_RECORDS, or ./records).",
)  # fmt: skip


_FILES = click.option(
    "-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help="YAML of parameters."
)
_PAIRS = click.option(
    "-p", "--param", "pairs", multiple=True, nargs=2, metavar="NAME VALUE", help="One parameter."
)
_WIDEST = 40


@click.command()
@click.argument("notebooks", nargs=-1, required=True)
@_FILES
@_PAIRS
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds for each whole notebook.")
@click.option("--progress/--no-progress", default=sys.stderr.isatty())
@_RECORDS
def run(
    notebooks: Sequence[str],
    files: Sequence[Path],
    pairs: Sequence[tuple[str, str]],
    timeout: float | None,
    progress: bool,
    records: Path,
) -> None:
    """Run notebooks by number (02, 12_07), range (01-05) or path; stop at the first that fails.

    Each run leaves a record.

    \b
    Exit status: 0 passed or planned, 1 failed, 2 bad input (nothing ran), 3 stopped at a gate before
    anything was changed, 4 incomplete or killed, 5 timed out, 6 stopped at a gate after changes, 7 planned,
    but a gate would stop, 130 interrupted.
    """
    chosen = catalogue.select(notebooks)
    values = _values(chosen, files, pairs)
    archive = Archive(records)
    how: dict[str, Any] = {"timeout": timeout, "progress": progress}
    with Kernels() as kernels:
        for notebook, taken, following in zip(chosen, values, [*chosen[1:], None], strict=True):
            record = runner.run(notebook, taken, archive, **how, kernels=kernels, following=following)
            _report(record, archive)
            if record.exit_code:
                sys.exit(record.exit_code)


def _values(
    chosen: Sequence[Path], files: Iterable[Path], pairs: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Every notebook's parameters, all valid before the first one runs."""
    given: dict[str, Any] = {}
    for file in files:
        given |= params.read_file(file)
    declared = {notebook: params.declared(notebook) for notebook in chosen}
    everywhere = [p.name for path in catalogue.notebooks().values() for p in params.declared(path)]
    from_command_line = params.from_command_line(pairs, [p for some in declared.values() for p in some])
    unused = from_command_line.keys() - {p.name for some in declared.values() for p in some}
    if unused:
        raise ParameterError(f"no notebook of this run has a parameter {', '.join(sorted(unused))}")
    return [params.validate(notebook, given | from_command_line, everywhere) for notebook in chosen]


def _report(record: Record, archive: Archive) -> None:
    good = record.exit_code == 0
    word = click.style(f"{record.verdict:<10}", fg="green" if good else "red", bold=True)
    click.echo(
        f"{word} {record.notebook:<28} {spell_seconds(record.seconds):>10}  {record.changes} changes, "
        f"{record.checks_passed} checks passed  {archive.path(record)}"
    )
    if record.error:
        click.echo(record.error, err=True)


@click.group()
def records() -> None:
    """The archive of executed notebooks."""


@records.command("list")
@click.option("--notebook", default="", help="Only records of notebooks whose name has this.")
@click.option(
    "--text", default="", help="Only records that hold this text, in their facts, parameters or error."
)
@_RECORDS
def list_records(notebook: str, text: str, records: Path) -> None:
    """List the records, oldest first."""
    found = [r for r in Archive(records).all() if notebook in r.notebook and text.lower() in str(r).lower()]
    rows = [(r.number, r.started[:19], r.notebook, r.verdict, r.changes, r.who, r.name) for r in found]
    click.echo(Table.of(("#", "started (UTC)", "notebook", "verdict", "changes", "who", "record"), rows))


@records.command()
@_RECORDS
def verify(records: Path) -> None:
    """Check that no record was changed, removed or put in between. Exit status 1 when one was."""
    archive = Archive(records)
    faults = archive.verify()
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        sys.exit(1)
    click.echo(f"{sum(1 for r in archive.all() if r.seal)} records, the chain is whole")


@records.command()
@click.argument("one")
@click.argument("other")
@_RECORDS
def compare(one: str, other: str, records: Path) -> None:
    """Compare two records (by number or name): parameters, facts, verdict, durations."""
    archive = Archive(records)
    left, right = _pick(archive, one), _pick(archive, other)
    rows = [(name, a, b) for name, a, b in _differences(left, right)]
    click.echo(Table.of(("", left.name, right.name), rows, note="" if rows else "No difference."))


def _pick(archive: Archive, wish: str) -> Record:
    for record in archive.all():
        if wish in (record.name, str(record.number)):
            return record
    raise ParameterError(f"there is no record {wish!r} in {archive.folder}")


def _differences(left: Record, right: Record) -> Iterable[tuple[str, str, str]]:
    for name in ("notebook", "verdict", "seconds", "changes", "checks_passed", "who", "commit", "error"):
        yield from _differing(name, getattr(left, name), getattr(right, name))
    for group in ("parameters", "facts", "servers"):
        a, b = _named(getattr(left, group)), _named(getattr(right, group))
        for key in sorted(a.keys() | b.keys()):
            yield from _differing(f"{group}.{key}", a.get(key, "–"), b.get(key, "–"))


def _named(values: Any) -> Mapping[str, Any]:
    return values if isinstance(values, Mapping) else {server["pod"]: server for server in values}


def _differing(name: str, a: object, b: object) -> Iterable[tuple[str, str, str]]:
    if a != b:
        yield name, str(a), str(b)


@records.command()
@_RECORDS
def index(records: Path) -> None:
    """Write the index page of the records, and say where it is."""
    click.echo(pages.write_index(Archive(records)))


@click.command()
@click.argument("notebook")
@_FILES
@_PAIRS
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the values that the notebook takes, as YAML.")
def parameters(notebook: str, files: Sequence[Path], pairs: Sequence[tuple[str, str]], as_yaml: bool) -> None:
    """Show what a notebook's parameters are, or with --yaml which of the given values it takes.

    Values are checked as by `run`: what is printed is what plain papermill can be given by -f. A name that no
    notebook has is an error.
    """
    chosen = catalogue.select([notebook])
    values = _values(chosen, files, pairs)
    for path, taken in zip(chosen, values, strict=True):
        if as_yaml:
            click.echo(yaml.safe_dump(taken, allow_unicode=True, sort_keys=False), nl=False)
            continue
        rows = [(p.name, p.type, _short(taken.get(p.name, p.default)), p.help) for p in params.declared(path)]
        click.echo(Table.of(("parameter", "type", "value", ""), rows, title=path.stem))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def notebooks(folder: Path) -> None:
    """Copy the notebooks and the parameter files into a folder, to open them in JupyterLab.

    A folder `notebooks` in the working directory is what `pgnb run` takes from then on.
    """
    copies = catalogue.copy_out(folder)
    click.echo(f"{len(copies)} files. Open them by: jupyter lab --notebook-dir={folder / 'notebooks'}")
