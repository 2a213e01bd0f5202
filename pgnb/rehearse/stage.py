"""The stage of a rehearsal: a cluster for as long as it takes, notebooks run on it, and the client's word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import click

from pgnb import plots
from pgnb.cluster import Cluster, connect
from pgnb.display import spell_seconds
from pgnb.observe.writer import Writer
from pgnb.rehearsal import lifecycle
from pgnb.rehearsal.lifecycle import Rehearsal
from pgnb.rehearse.promise import Promise, Word
from pgnb.runbook import catalogue, pages, params, runner
from pgnb.runbook.records import Archive
from pgnb.server import find_server
from pgnb.server.progress import marker

NAMESPACE = "postgres-async-replication"
PASSWORD = "secret:postgres-primary/password"  # noqa: S105  where it is kept, not what it is
PRIMARY = "app=postgres-primary"
STANDBY = "app=postgres-async-replica"


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
    def cluster(self, *, acting: bool = False) -> Iterator[Cluster]:
        """The cluster as an observer sees it, who changes nothing; `acting`: as somebody who may."""
        context = self.running.context
        found = connect(str(self.running.kubeconfig), context, NAMESPACE, dry_run=not acting)
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
            word = _word_of_sample(cluster, writable, others)
            promise = Promise.of([word], longest, cluster.journal, may_lose=may_lose)
        return self.tell(promise, longest)

    def tell(self, promise: Promise, longest: float) -> bool:
        """Write the index page with every client's gaps, and say the end; False when a promise was broken."""
        names = [f"client-{number}.png" for number in range(1, len(promise.words) + 1)]
        for name, word in zip(names, promise.words, strict=True):
            plots.gaps(word.writing, allowed=longest).savefig(self.archive.folder / name)
        index = pages.write_index(self.archive, summary=promise.summary, plots=names)
        click.echo(f"{promise.summary}\nindex   {index.resolve()}")
        return promise.checks.ok


def sample_client(cluster: Cluster) -> Writer:
    """The client that comes with the sample primary."""
    return Writer(cluster, "app=sample-writer", "shop", "heartbeat")


def _word_of_sample(cluster: Cluster, writable: str, others: Sequence[str]) -> Word:
    """Look for every row that the sample's client was told is committed, on each server."""
    primary = find_server(cluster, writable, password=PASSWORD)
    rest = [find_server(cluster, selector, password=PASSWORD) for selector in others]
    writer = sample_client(cluster)
    writing = writer.report()
    lsn = marker(primary)
    found = (writer.found(primary, writing), *(writer.found(one, writing, lsn=lsn) for one in rest))
    for server in (primary, *rest):
        server.close()
    return Word(writing, found)


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
