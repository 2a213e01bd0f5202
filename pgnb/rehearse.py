"""`pgnb rehearse`: the procedure on a rehearsal cluster while a client keeps writing, and the verdict."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import click

from pgnb import plots
from pgnb.checks import Checks
from pgnb.cluster import Cluster, connect
from pgnb.display import spell_seconds
from pgnb.observe.acknowledged import Found, Writing
from pgnb.observe.writer import Writer
from pgnb.rehearsal import lifecycle
from pgnb.rehearsal.lifecycle import Rehearsal
from pgnb.runbook import catalogue, pages, params, runner
from pgnb.runbook.records import Archive, Record
from pgnb.server import Server, find_server
from pgnb.server.progress import marker
from pgnb.server.standbys import find_standbys

NAMESPACE = "postgres-async-replication"
PASSWORD = "secret:postgres-primary/password"  # noqa: S105  where it is kept, not what it is
STEPS = ("00", "01", "02", "03", "04", "05", "00")
LONGEST_GAP = 0.1
"""Seconds that the client's writes may stand still when no restart is allowed."""
LONGEST_GAP_RESTART = 2.0
"""The same, with the one restart of section 2."""


@dataclass(frozen=True)
class Promise:
    """What the client was told, and what is there of it."""

    writing: Writing
    found: tuple[Found, ...]
    checks: Checks


@click.command()
@click.option("--keep", is_flag=True, help="Leave the cluster up, and say how to go on with it.")
@click.option("--allow-restart", is_flag=True, help="Let section 2 make its one restart.")
@click.option("--name", default=lifecycle.DEFAULT_NAME, show_default=True, help="Name of the cluster.")
@click.option(
    "--state-home", type=click.Path(file_okay=False, path_type=Path), help="Directory of its state."
)
@click.option(
    "--records", type=click.Path(file_okay=False, path_type=Path), default=Path("rehearsal-records"),
    show_default=True, help="Folder of the records.",
)  # fmt: skip
def rehearse(keep: bool, allow_restart: bool, name: str, state_home: Path | None, records: Path) -> None:
    """Carry out sections 1 to 5 on a fresh rehearsal cluster while a client keeps writing.

    Exit status 0 when every notebook passed and the promise was kept: no acknowledged row is missing, and
    the client's writes stood still for no longer than promised.
    """
    began = monotonic()
    was_there = lifecycle.status(name, state_home=state_home) is not None
    running = lifecycle.up(name, state_home=state_home, on_progress=_say)
    _say(f"rehearsal cluster {name!r} is up after {spell_seconds(monotonic() - began)}")
    archive = Archive(records)
    try:
        kept = _perform(running, archive, allow_restart)
    finally:
        if not (keep or was_there):
            lifecycle.down(name, state_home=state_home)
    click.echo(f"took    {spell_seconds(monotonic() - began)}")
    if keep or was_there:
        _say_how_to_go_on(running)
    sys.exit(0 if kept else 1)


def _perform(running: Rehearsal, archive: Archive, allow_restart: bool) -> bool:
    passed = _run_all(running, archive, allow_restart)
    cluster = connect(str(running.kubeconfig), running.context, NAMESPACE, dry_run=True)
    try:
        promise = _promise(cluster, LONGEST_GAP_RESTART if allow_restart else LONGEST_GAP)
    finally:
        cluster.close()
    plots.gaps(promise.writing, allowed=_limit(allow_restart)).savefig(archive.folder / "client.png")
    summary = _summary(promise)
    index = pages.write_index(archive, summary=summary, plots=["client.png"])
    click.echo(f"{summary}\nindex   {index.resolve()}")
    return passed and promise.checks.ok


def _limit(allow_restart: bool) -> float:
    return LONGEST_GAP_RESTART if allow_restart else LONGEST_GAP


def _run_all(running: Rehearsal, archive: Archive, allow_restart: bool) -> bool:
    given = {
        "kubeconfig": str(running.kubeconfig), "context": running.context, "namespace": NAMESPACE,
        "dry_run": "false", "allow_restart": allow_restart,
    }  # fmt: skip
    for number in STEPS:
        record = _run_one(catalogue.select([number])[0], given, archive)
        click.echo(f"{record.verdict:<8}{record.notebook:<26}{spell_seconds(record.seconds):>8}")
        if record.exit_code:
            click.echo(record.error, err=True)
            return False
    return True


def _run_one(notebook: Path, given: Mapping[str, Any], archive: Archive) -> Record:
    values = params.validate(notebook, given, given)
    return runner.run(notebook, values, archive, progress=False)


def _promise(cluster: Cluster, longest: float) -> Promise:
    """Look for every row that the sample's client was told is committed, on each server."""
    primary = find_server(cluster, "app=postgres-primary", password=PASSWORD)
    standbys = find_standbys(cluster, "app=postgres-async-replica", password=PASSWORD, at_least=0)
    writer = Writer(cluster, "app=sample-writer", "shop", "heartbeat")
    writing = writer.report()
    lsn = marker(primary)
    found = (writer.found(primary, writing), *(writer.found(one, writing, lsn=lsn) for one in standbys))
    there = Checks.of("The promise", [one.check for one in found], cluster.journal)
    _close(primary, *standbys)
    return Promise(writing, found, there + writing.checks(cluster.journal, longest=longest))


def _close(*servers: Server) -> None:
    for server in servers:
        server.close()


def _summary(promise: Promise) -> str:
    longest = promise.writing.longest
    lines = [f"client  {promise.writing.acknowledged:,} rows acknowledged"]
    lines += [f"found   {one.acknowledged - len(one.missing):,} on {one.server}" for one in promise.found]
    lines += [f"gap     {spell_seconds(longest.seconds if longest else None)}, the longest in its writes"]
    lines += [_verdict(promise.checks)]
    return "\n".join(lines)


def _verdict(checks: Checks) -> str:
    if checks.ok:
        return "promise kept: no acknowledged row is missing, and writing went on"
    return "PROMISE BROKEN: " + "; ".join(f"{c.name}: {c.found} (wanted {c.wanted})" for c in checks.failed)


def _say(text: str) -> None:
    click.echo(f"        {text}", err=True)


def _say_how_to_go_on(running: Rehearsal) -> None:
    click.echo("the cluster stays up:")
    for line in _ways_on(running):
        click.echo(f"  {line}")


def _ways_on(running: Rehearsal) -> Sequence[str]:
    return (
        f"kubectl --kubeconfig {running.kubeconfig} get pods -A",
        "jupyter lab notebooks",
        f"pgnb rehearsal down --name {running.name}",
    )
