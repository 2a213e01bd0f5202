"""The commands that run notebooks and read their records: `pgnb run`, `records` and `parameters`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from pgnb.core.display import Table, format_duration
from pgnb.core.errors import ParameterError
from pgnb.core.translation import LANGUAGES, translated
from pgnb.runbook import approving, catalogue, heads, pages, params, runner
from pgnb.runbook.approval import Policy
from pgnb.runbook.approving import RECORDS, SIGNERS, archive_in, carry_out, pick, signers_file
from pgnb.runbook.chain import SHORTEST
from pgnb.runbook.kernels import Kernels
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.renamed import current_name, rename_notices
from pgnb.runbook.runner import Terms
from pgnb.runbook.status import overview
from pgnb.runbook.summary import summary_of
from pgnb.runbook.verdict import read as read_evidence

_FILES = click.option(
    "-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help="YAML of parameters."
)
_PAIRS = click.option(
    "-p", "--param", "pairs", multiple=True, nargs=2, metavar="NAME VALUE", help="One parameter."
)
_WIDEST = 40


@dataclass(frozen=True)
class RunOptions:
    """The options of `pgnb run`, as click reads them."""

    files: Sequence[Path]
    pairs: Sequence[tuple[str, str]]
    dry_run: bool
    undo: int | None
    approved: int | None
    signers: Path | None
    timeout: float | None
    progress: bool
    records: Path


@click.command()
@click.argument("notebooks", nargs=-1, required=True)
@_FILES
@_PAIRS
@click.option("--dry-run", is_flag=True, help="Plan only, and keep the plan as a record.")
@click.option("--undo", type=int, metavar="N", help="Plan back to what the run of record N found (06).")
@click.option("--approved", type=int, metavar="N", help="Carry out the approved plan of record N.")
@SIGNERS
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds for each whole notebook.")
@click.option("--progress/--no-progress", default=sys.stderr.isatty())
@RECORDS
def run(notebooks: Sequence[str], **options: Any) -> None:
    """Run notebooks by number (02, 12_07), range (01-05) or path; stop at the first that fails.

    Each run leaves a record. With --dry-run it is a plan record, for `pgnb records request`. With --approved
    the parameters are those of the plan; the plan is made anew, and nothing is changed unless it is the same.

    \b
    Exit status: 0 passed or planned, 1 failed, 2 bad input (nothing ran), 3 stopped at a gate before
    anything was changed, 4 incomplete or killed, 5 timed out, 6 stopped at a gate after changes, 7 planned,
    but a gate would stop, 75 the API server could not be reached and nothing was changed, 130 interrupted.
    """
    chosen, told = catalogue.select(notebooks), RunOptions(**options)
    archive, given = Archive(told.records), _given(told.files)
    policy = Policy.of(given.pop("approval", None))
    terms = Terms(namespaces=policy.namespaces, language=params.take_language(given))
    how: dict[str, Any] = {"timeout": told.timeout, "progress": told.progress, "terms": terms}
    if told.approved is not None:
        if told.dry_run or told.pairs or len(chosen) != 1:
            raise ParameterError(
                "--approved carries out one plan as it is",
                remedy="Name its notebook, and give neither --dry-run nor -p.",
            )
        signers = signers_file(told.signers, policy)
        last = carry_out(archive, told.approved, chosen[0], signers, _report, **how)
        sys.exit(last.exit_code)
    if told.undo is not None:
        given = _to_undo(archive, told.undo, chosen) | given
    values = _values(chosen, given, told.pairs)
    with Kernels() as kernels:
        for notebook, taken, following in zip(chosen, values, [*chosen[1:], None], strict=True):
            if told.dry_run:
                taken |= {"dry_run": "true"}
            record = runner.run(notebook, taken, archive, **how, kernels=kernels, following=following)
            _report(record, archive)
            if record.exit_code:
                sys.exit(record.exit_code)


def _to_undo(archive: Archive, number: int, chosen: Sequence[Path]) -> dict[str, Any]:
    """The parameters that take a run back: those that it had, and where its record is."""
    record = pick(archive, str(number))
    names = {p.name for p in params.declared(chosen[0])}
    if len(chosen) != 1 or chosen[0].stem != record.notebook or "undo_record" not in names:
        raise ParameterError(
            f"record {number} ({record.notebook}) cannot be undone by this run",
            found=", ".join(path.stem for path in chosen),
            remedy="Name its own notebook, where it has the parameter undo_record (06). How each change is"
            f" taken back by hand: pgnb records show {number}",
        )
    return dict(record.parameters) | {"undo_record": str(archive.path(record).resolve())}


def _given(files: Iterable[Path]) -> dict[str, Any]:
    """What the files of parameters say; a later one wins."""
    given: dict[str, Any] = {}
    for file in files:
        given |= params.read_file(file)
    return given


def _values(
    chosen: Sequence[Path], given: Mapping[str, Any], pairs: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Every notebook's parameters, all valid before the first one runs."""
    declared = {notebook: params.declared(notebook) for notebook in chosen}
    everywhere = [p.name for path in catalogue.notebooks().values() for p in params.declared(path)]
    from_command_line = params.from_command_line(pairs, [p for some in declared.values() for p in some])
    names = {p.name for some in declared.values() for p in some}
    unused = [name for name in from_command_line if current_name(name, names) not in names]
    if unused:
        raise ParameterError(f"no notebook of this run has a parameter {', '.join(sorted(unused))}")
    merged = {**given, **from_command_line}
    taken = [params.validate(notebook, merged, everywhere) for notebook in chosen]
    for notice in rename_notices(merged, names):
        click.echo(notice, err=True)
    return taken


def _report(record: Record, archive: Archive) -> None:
    good = record.exit_code == 0
    word = click.style(f"{record.verdict:<10}", fg="green" if good else "red", bold=True)
    click.echo(
        f"{word} {record.notebook:<28} {format_duration(record.seconds):>10}  {record.changes} changes, "
        f"{record.checks_passed} checks passed  {archive.path(record)}"
    )
    if record.error:
        click.echo(record.error, err=True)
    evidence = read_evidence(archive.path(record) / "journal.jsonl")
    if not good and evidence.changed and "\n  changed: " not in record.error:
        click.echo("this run has changed:", err=True)
        for line in [
            *evidence.changed,
            *(f"to take back {title}: {undo}" for title, undo in evidence.undo if undo),
        ]:
            click.echo(f"  {line}", err=True)
    for stop in evidence.would_stop:
        click.echo(f"would stop at: {stop}", err=True)
    for title in dict.fromkeys(evidence.not_judged):
        click.echo(f"not judged, since it depends on changes that were only planned: {title}", err=True)
    click.echo(f"head: {record.number} {record.seal}")


@click.group()
def records() -> None:
    """The archive of executed notebooks."""


@records.command("list")
@click.option("--notebook", default="", help="Only records of notebooks whose name has this.")
@click.option(
    "--text", default="", help="Only records that hold this text, in their facts, parameters or error."
)
@RECORDS
def list_records(notebook: str, text: str, records: Path) -> None:
    """List the records, oldest first."""
    archive = archive_in(records)
    found = [r for r in archive.all() if notebook in r.notebook and text.lower() in str(r).lower()]
    rows = [(r.number, r.started[:19], r.notebook, r.verdict, r.changes, r.who, r.name) for r in found]
    click.echo(Table.of(("#", "started (UTC)", "notebook", "verdict", "changes", "who", "record"), rows))
    for fault in archive.read()[1]:
        click.echo(f"left out: {fault}", err=True)


@records.command()
@click.option("--expect", default="", help="A seal that was kept elsewhere: the chain must still have it.")
@click.option(
    "--against", "place", default="", help="Where `records head` kept a head: the chain must have it."
)
@SIGNERS
@RECORDS
def verify(expect: str, place: str, signers: Path | None, records: Path) -> None:
    """Check the chain of records: what was changed, removed or added after it was sealed.

    It finds accidents and edits of single records. Whoever may write the folder can make the whole chain
    anew; that is found by --against, or by --expect with a seal that a run printed as its head. With
    --signers the kept head must be signed. Writes nothing. Exit status 1 when there is a fault.
    """
    if expect and len(expect) < SHORTEST:
        raise ParameterError(f"--expect takes a seal, or {SHORTEST} characters or more of its beginning")
    archive = archive_in(records)
    faults = archive.verify(expect)
    if place:
        held, fault = heads.against(archive, place, signers)
        click.echo(f"held against {held}")
        faults += [fault] if fault else []
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        sys.exit(1)
    found = archive.read()[0]
    if not found:
        raise ParameterError(f"there is no record in {records}")
    number, seal = archive.head()
    sealed = sum(1 for record in found if record.seal)
    click.echo(
        f"{sealed} records, the chain is whole; {len(found) - sealed} still open\nhead: {number} {seal}"
    )
    if not (expect or place):
        click.echo("held against nothing outside of the folder: --against, --expect")


@records.command()
@click.option("--to", "place", required=True, help="file:PATH, git:REPOSITORY or namespace:NAME.")
@click.option(
    "--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="SSH key that signs."
)
@RECORDS
def head(place: str, key: Path | None, records: Path) -> None:
    """Keep the chain's head outside of the archive, signed with --key.

    As a file, as a git note of the repository's HEAD (refs/notes/pgnb), or as the annotation
    pgnb/records-head of a namespace of the current context. `records verify --against` reads it.
    """
    kept = heads.keep(archive_in(records), place, key)
    click.echo(f"{place}: record {kept.number} {kept.seal}{', signed' if kept.signature else ''}")


@records.command()
@click.argument("one")
@click.argument("other")
@RECORDS
def compare(one: str, other: str, records: Path) -> None:
    """Compare two records (by number or name): parameters, facts, verdict, durations, acts, checks."""
    archive = archive_in(records)
    left, right = pick(archive, one), pick(archive, other)
    rows = [*_differences(left, right), *_answers(archive, left, right)]
    click.echo(Table.of(("", left.name, right.name), rows, note="" if rows else "No difference."))


def _answers(archive: Archive, left: Record, right: Record) -> Iterable[tuple[str, str, str]]:
    """What differs in acts, checks and figures; an act is compared without its time."""
    for name, read in (("act", _acts), ("check", _checks)):
        a, b = read(archive, left), read(archive, right)
        for key in dict.fromkeys((*a, *b)):
            yield from _differing(f"{name}: {key}", a.get(key, "–"), b.get(key, "–"))


def _acts(archive: Archive, record: Record) -> dict[str, str]:
    evidence = read_evidence(archive.path(record) / "journal.jsonl")
    return {f"{act['target']}: {act['what']}": str(act["result"]) for act in evidence.acts}


def _checks(archive: Archive, record: Record) -> dict[str, str]:
    evidence = read_evidence(archive.path(record) / "journal.jsonl")
    return {
        f"{table['title']}: {item['name']}": f"{'passed' if item['ok'] else 'FAILED'}: {item.get('found')}"
        for table in evidence.checks
        for item in table["items"]
    }


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
@click.argument("record")
@click.option("--markdown", is_flag=True, help="As Markdown, for a mail, a ticket or a chat.")
@click.option("--lang", type=click.Choice(LANGUAGES), default="en", help="Language of the questions.")
@RECORDS
def show(record: str, markdown: bool, lang: str, records: Path) -> None:
    """Answer an auditor's questions of one record (by number or name).

    Who asked, approved and ran it, when and where, what was planned, changed and checked, how long clients
    could not write, how it is undone, and what is open.
    """
    archive = archive_in(records)
    summary = summary_of(archive, pick(archive, record), lang)
    click.echo(summary.markdown if markdown else summary.text)


records.add_command(approving.request)
records.add_command(approving.approve)


@records.command()
@RECORDS
def index(records: Path) -> None:
    """Write the index page of the records, and say where it is."""
    click.echo(pages.write_index(archive_in(records)))


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
    given = _given(files)
    Policy.of(given.pop("approval", None))
    params.take_language(given)
    values = _values(chosen, given, pairs)
    for path, taken in zip(chosen, values, strict=True):
        if as_yaml:
            click.echo(yaml.safe_dump(taken, allow_unicode=True, sort_keys=False), nl=False)
            continue
        rows = [
            (p.name, p.type, _short(taken.get(p.name, p.default)), translated(p.help))
            for p in params.declared(path)
        ]
        click.echo(Table.of(("parameter", "type", "value", ""), rows, title=path.stem))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


@click.command()
@_FILES
@_PAIRS
def status(files: Sequence[Path], pairs: Sequence[tuple[str, str]]) -> None:
    """Show how replication stands, as notebook 00 does, on one screen. Changes nothing and leaves no record.

    Exit status 1 when a check fails or a server cannot be reached.
    """
    (notebook,) = catalogue.select(["00"])
    given = _given(files)
    Policy.of(given.pop("approval", None))
    params.take_language(given)
    (values,) = _values([notebook], given, pairs)
    for text in overview(notebook, values):
        click.echo(f"{text}\n")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def notebooks(folder: Path) -> None:
    """Copy the notebooks and the parameter files into a folder, to open them in JupyterLab.

    A folder `notebooks` in the working directory is what `pgnb run` takes from then on.
    """
    copies = catalogue.copy_out(folder)
    click.echo(f"{len(copies)} files. Open them by: jupyter lab --notebook-dir={folder / 'notebooks'}")
