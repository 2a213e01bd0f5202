"""The cluster of a drill: started for the drill, notebooks run on it, and the client's report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import click

from pgnb import plots
from pgnb.cluster import Cluster, connect
from pgnb.core.display import format_duration
from pgnb.core.errors import DeadlineExceeded
from pgnb.core.journal import Journal
from pgnb.core.private import private_opener
from pgnb.observe.measure import next_row
from pgnb.observe.write_log import WriteLog
from pgnb.observe.writer import Writer
from pgnb.postgres import find_server
from pgnb.postgres.progress import marker
from pgnb.runbook import catalogue, pages, params, runner
from pgnb.runbook.kernels import Kernels
from pgnb.runbook.records import Archive
from pgnb_rehearsal import lifecycle
from pgnb_rehearsal.drills.guarantee import ClientReport, Guarantee, Loss
from pgnb_rehearsal.drills.interruptions import Ran, acts_of
from pgnb_rehearsal.lifecycle import Rehearsal

NAMESPACE = "postgres-async-replication"
PASSWORD = "secret:postgres-primary/password"  # noqa: S105  where it is kept, not what it is
PRIMARY = "app=postgres-primary"
STANDBY = "app=postgres-async-replica"


@dataclass(frozen=True)
class Stage:
    """A running rehearsal cluster, and the archive of its notebooks' records.

    `journal` is for what the drill itself does to the servers, as a crash.
    """

    running: Rehearsal
    archive: Archive
    journal: Journal = field(default_factory=Journal)

    def run(self, number: str, **parameters: Any) -> bool:
        """Run one notebook with the stage's target, and print the result; return False if it did not pass."""
        return self.run_all([number], **parameters)

    def run_all(self, numbers: Sequence[str], **parameters: Any) -> bool:
        """Run notebooks one after the other, until one does not pass."""
        chosen = [catalogue.select([number])[0] for number in numbers]
        with Kernels() as kernels:
            pairs = zip(chosen, [*chosen[1:], None], strict=True)
            return all(self._run(notebook, parameters, kernels, following) for notebook, following in pairs)

    def _run(
        self, notebook: Path, parameters: Mapping[str, Any], kernels: Kernels, following: Path | None
    ) -> bool:
        target = {"kubeconfig": str(self.running.kubeconfig), "context": self.running.context}
        given = {**target, "namespace": NAMESPACE, "dry_run": "false", **parameters}
        taken = params.validate(notebook, given, given)
        record = runner.run(
            notebook, taken, self.archive, progress=False, kernels=kernels, following=following
        )
        click.echo(f"{record.verdict:<8}{record.notebook:<26}{format_duration(record.seconds):>8}")
        if record.exit_code:
            click.echo(record.error, err=True)
        return record.exit_code == 0

    @contextmanager
    def cluster(self, *, acting: bool = False) -> Iterator[Cluster]:
        """Connect to the cluster as an observer, who changes nothing; `acting`: as a user who may."""
        context = self.running.context
        found = connect(str(self.running.kubeconfig), context, NAMESPACE, dry_run=not acting)
        try:
            yield found
        finally:
            found.close()

    @property
    def ran(self) -> tuple[Ran, ...]:
        """What was done so far: the acts of the runs' journals, and the drill's own."""
        own = (
            Ran(one.at, one.at + timedelta(seconds=one.seconds), one.target, one.what, allowed=True)
            for one in self.journal.entries
        )
        return (*acts_of(self.archive), *own)

    def conclude(
        self, *, writable: str = PRIMARY, others: Sequence[str] = (), loss: Loss | None = None
    ) -> bool:
        """Compare the sample client's log with the servers, write the index page, and print the result.

        `writable` and `others` select the servers that must have every acknowledged row, except for the
        `loss` that a failover announced. Returns False if the guarantee was broken.
        """
        with self.cluster() as cluster:
            word = _report_of_sample(cluster, writable, others, self.ran)
            return self.tell(Guarantee.of([word], cluster.journal, loss=loss))

    def tell(self, guarantee: Guarantee) -> bool:
        """Write the index page with every client's gaps, and print and return whether it was kept."""
        names = [f"client-{number}.png" for number in range(1, len(guarantee.reports) + 1)]
        for name, word in zip(names, guarantee.reports, strict=True):
            named = [(item.gap, item.cause) for item in word.interruptions.named]
            with open(self.archive.folder / name, "wb", opener=private_opener) as file:
                plots.gaps(word.write_log, named=named).savefig(file, format="png")
        index = pages.write_index(
            self.archive, summary=guarantee.summary, plots=names, failed=not guarantee.checks.ok
        )
        click.echo(f"{guarantee.summary}\nindex   {index.resolve()}")
        return guarantee.checks.ok


def sample_client(cluster: Cluster) -> Writer:
    """Return the client that comes with the sample primary."""
    return Writer(cluster, "app=sample-writer", "shop", "heartbeat")


def last_word(client: Writer) -> WriteLog:
    """Return a client's log up to a row of now; for one that has ended, as it is."""
    try:
        return next_row(client, datetime.now(UTC))
    except DeadlineExceeded:
        return client.report()


def _report_of_sample(
    cluster: Cluster, writable: str, others: Sequence[str], ran: tuple[Ran, ...]
) -> ClientReport:
    """Search every acknowledged row of the sample's client on each server."""
    primary = find_server(cluster, writable, password=PASSWORD)
    rest = [find_server(cluster, selector, password=PASSWORD) for selector in others]
    writer = sample_client(cluster)
    write_log = last_word(writer)
    lsn = marker(primary)
    found = (
        writer.check_durability(primary, write_log),
        *(writer.check_durability(one, write_log, lsn=lsn) for one in rest),
    )
    for server in (primary, *rest):
        server.close()
    return ClientReport(write_log, found, ran)


@contextmanager
def on_stage(
    name: str, state_home: Path | None, records: Path, *, keep: bool, **options: Any
) -> Iterator[Stage]:
    """Provide a rehearsal cluster for the block; it stays up with `keep`, or if it was up before."""
    began = monotonic()
    was_there = lifecycle.status(name, state_home=state_home) is not None
    running = lifecycle.up(name, state_home=state_home, on_progress=_say, **options)
    _say(f"rehearsal cluster {name!r} is up after {format_duration(monotonic() - began)}")
    try:
        yield Stage(running, Archive(records))
    finally:
        if not (keep or was_there):
            lifecycle.down(name, state_home=state_home)
    click.echo(f"took    {format_duration(monotonic() - began)}")
    if keep or was_there:
        _say_how_to_go_on(running)


def _say(text: str) -> None:
    click.echo(f"        {text}", err=True)


def _say_how_to_go_on(running: Rehearsal) -> None:
    click.echo("the cluster stays up:")
    click.echo(f"  kubectl --kubeconfig {running.kubeconfig} get pods -A")
    click.echo("  jupyter lab notebooks")
    click.echo(f"  pgnb rehearsal down --name {running.name}")
