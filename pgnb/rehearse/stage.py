"""The stage of a rehearsal: a cluster for as long as it takes, notebooks run on it, and the client's word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from pgnb.runbook.records import Archive
from pgnb.server import Server, find_server
from pgnb.server.progress import marker

NAMESPACE = "postgres-async-replication"
PASSWORD = "secret:postgres-primary/password"  # noqa: S105  where it is kept, not what it is
PRIMARY = "app=postgres-primary"
STANDBY = "app=postgres-async-replica"


@dataclass(frozen=True)
class Promise:
    """What the client was told, what is there of it on which server, and whether that is all of it."""

    writing: Writing
    found: tuple[Found, ...]
    checks: Checks

    @property
    def summary(self) -> str:
        """The promise, kept or broken, a line for each figure."""
        longest = self.writing.longest
        lines = [f"client  {self.writing.acknowledged:,} rows acknowledged"]
        lines += [f"found   {one.acknowledged - len(one.missing):,} on {one.server}" for one in self.found]
        lines += [f"gap     {spell_seconds(longest.seconds if longest else None)}, the longest in its writes"]
        return "\n".join([*lines, self._verdict])

    @property
    def _verdict(self) -> str:
        if self.checks.ok:
            lost = max((len(one.missing) for one in self.found), default=0)
            rows = f"{lost} acknowledged rows were lost" if lost else "no acknowledged row is missing"
            return f"promise kept: {rows}, and writing went on"
        broken = "; ".join(f"{c.name}: {c.found} (wanted {c.wanted})" for c in self.checks.failed)
        return f"PROMISE BROKEN: {broken}"


@dataclass(frozen=True)
class Stage:
    """A running rehearsal cluster, and the archive that its notebooks' records go to."""

    running: Rehearsal
    archive: Archive

    def run(self, number: str, **parameters: Any) -> bool:
        """Run one notebook with the stage's target, and say how it went; False when it did not pass."""
        notebook = catalogue.select([number])[0]
        target = {"kubeconfig": str(self.running.kubeconfig), "context": self.running.context}
        given = {**target, "namespace": NAMESPACE, "dry_run": "false", **parameters}
        record = runner.run(notebook, params.validate(notebook, given, given), self.archive, progress=False)
        click.echo(f"{record.verdict:<8}{record.notebook:<26}{spell_seconds(record.seconds):>8}")
        if record.exit_code:
            click.echo(record.error, err=True)
        return record.exit_code == 0

    def run_all(self, numbers: Sequence[str], **parameters: Any) -> bool:
        """Run notebooks one after the other, until one does not pass."""
        return all(self.run(number, **parameters) for number in numbers)

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """The cluster as an observer sees it, who changes nothing."""
        found = connect(str(self.running.kubeconfig), self.running.context, NAMESPACE, dry_run=True)
        try:
            yield found
        finally:
            found.close()

    def conclude(
        self, longest: float, *, writable: str = PRIMARY, others: Sequence[str] = (), may_lose: bool = False
    ) -> bool:
        """Hold the sample's client's word against the servers, write the index page, and say the end.

        `longest`: seconds that the client's writes may have stood still. `writable` and `others` select the
        servers that must have every acknowledged row, unless they `may_lose` some. False when the promise
        was broken.
        """
        with self.cluster() as cluster:
            promise = promise_of(cluster, longest, writable, others, may_lose=may_lose)
        plots.gaps(promise.writing, allowed=longest).savefig(self.archive.folder / "client.png")
        index = pages.write_index(self.archive, summary=promise.summary, plots=["client.png"])
        click.echo(f"{promise.summary}\nindex   {index.resolve()}")
        return promise.checks.ok


def promise_of(
    cluster: Cluster, longest: float, writable: str, others: Sequence[str], *, may_lose: bool = False
) -> Promise:
    """Look for every row that the sample's client was told is committed, on each server."""
    primary = find_server(cluster, writable, password=PASSWORD)
    rest = [find_server(cluster, selector, password=PASSWORD) for selector in others]
    writer = Writer(cluster, "app=sample-writer", "shop", "heartbeat")
    writing = writer.report()
    lsn = marker(primary)
    found = (writer.found(primary, writing), *(writer.found(one, writing, lsn=lsn) for one in rest))
    checks = [replace(one.check, advice=may_lose) for one in found]
    there = Checks.of("The promise", checks, cluster.journal)
    _close(primary, *rest)
    return Promise(writing, found, there + writing.checks(cluster.journal, longest=longest))


def _close(*servers: Server) -> None:
    for server in servers:
        server.close()


@contextmanager
def on_stage(
    name: str, state_home: Path | None, records: Path, *, keep: bool, **options: Any
) -> Iterator[Stage]:
    """A rehearsal cluster for the block; `keep` leaves it up, as is one that was up before."""
    began = monotonic()
    was_there = lifecycle.status(name, state_home=state_home) is not None
    running = lifecycle.up(name, state_home=state_home, on_progress=_say, **options)
    _say(f"rehearsal cluster {name!r} is up after {spell_seconds(monotonic() - began)}")
    try:
        yield Stage(running, Archive(records))
    finally:
        if not (keep or was_there):
            lifecycle.down(name, state_home=state_home)
    click.echo(f"took    {spell_seconds(monotonic() - began)}")
    if keep or was_there:
        _say_how_to_go_on(running)


def _say(text: str) -> None:
    click.echo(f"        {text}", err=True)


def _say_how_to_go_on(running: Rehearsal) -> None:
    click.echo("the cluster stays up:")
    click.echo(f"  kubectl --kubeconfig {running.kubeconfig} get pods -A")
    click.echo("  jupyter lab notebooks")
    click.echo(f"  pgnb rehearsal down --name {running.name}")
