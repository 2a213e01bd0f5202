"""The commands of fleets: `pgnb fleet plan`, `apply`, `status`, `report`, `records` and `work`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from pgnb.cluster import Cluster, connect
from pgnb.core.display import Cell, Table
from pgnb.core.errors import GateClosed, NotFound, ParameterError
from pgnb.core.plan import Change
from pgnb.fleet import fleetfile, readiness, rollout
from pgnb.fleet.fleetfile import Fleet
from pgnb.fleet.progress import Rollout, rollout_of
from pgnb.fleet.targets import Plan, resolve

_FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
_ONLY = click.option("--target", "only", multiple=True, metavar="NAME", help="Only this target.")
_FAILED = click.option("--failed", is_flag=True, help="Only the targets that failed in the newest rollout.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Let each notebook only plan.")
_SHORTEST = 12
"""Characters of a digest that are enough to name a plan."""
LANGUAGES = ("en", "ja", "both")
_HALTED = 3
"""Exit status of a rollout that stopped before its last wave."""


@dataclass(frozen=True)
class Choice:
    """What `plan` and `apply` are asked for in common: targets, whether they only plan, the cluster."""

    only: tuple[str, ...]
    failed: bool
    dry_run: bool
    kubeconfig: str
    context: str


def _connected(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name the cluster."""
    for option in (
        click.option("--context", default="", help="The kubeconfig's context; default: its current one."),
        click.option("--kubeconfig", default="", help="A kubeconfig; default: as kubectl."),
    ):
        command = option(command)
    return command


@click.group()
def fleet() -> None:
    """Run notebooks on many databases, as one Indexed Job of Kubernetes."""


@fleet.command()
@_FILE
@_ONLY
@_FAILED
@_DRY_RUN
@click.option(
    "--json", "as_json", is_flag=True, help="Print the plan as the pods read it, for another engine."
)
@_connected
def plan(file: Path, as_json: bool, **choice: Any) -> None:
    """Show what `apply` would do: targets by wave, what is ready for it, and the objects. Changes nothing.

    Exit status 3 when `apply` would stop at its gate.
    """
    declared = fleetfile.read(file)
    cluster, planned = _planned(declared, Choice(**choice), dry_run=True)
    if as_json:
        click.echo(planned.content)
        return
    click.echo(_targets(planned))
    checks = readiness.checks(cluster, declared, planned)
    click.echo(f"\n{checks.table}\n")
    click.echo(_change(cluster, declared, planned))
    if not checks.ok:
        sys.exit(_HALTED)


@fleet.command()
@_FILE
@_ONLY
@_FAILED
@_DRY_RUN
@click.option("--plan", "seen", default="", metavar="DIGEST", help="The plan that `pgnb fleet plan` showed.")
@click.option("--proceed", is_flag=True, help="Go on after a halt, in spite of the targets that failed.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds to wait for one wave.")
@_connected
def apply(file: Path, seen: str, proceed: bool, timeout: float | None, **choice: Any) -> None:
    """Carry the fleet out, wave after wave, or go on with the rollout that has not finished.

    A plan that may change servers is carried out only with --plan and the digest that `plan` showed. With a
    `schedule` it makes or changes the CronJob. Ctrl-C ends only this command: pods go on with the wave that
    is released, no further one is, and the same command goes on later.

    \b
    Exit status: 0 all targets passed, or it pauses; 1 a target failed; 3 stopped at a gate, or halted after
    a wave with too many failures; 2 bad input, nothing was done.
    """
    declared = fleetfile.read(file)
    cluster, planned = _planned(declared, Choice(**choice), dry_run=False)
    _assert_seen(planned, seen)
    if declared.schedule:
        readiness.gate(cluster, declared, planned)
        click.echo(_change(cluster, declared, planned).apply())
        return
    name = rollout.standing(cluster, planned)
    if not name:
        readiness.gate(cluster, declared, planned)
        click.echo(rollout.plan_rollout(cluster, declared, planned).apply())
        name = rollout.named(cluster, declared.name)
    limit = timeout or _longest_wave(declared, planned)
    ended = rollout.follow(cluster, declared, name, proceed=proceed, timeout=limit, tell=click.echo)
    click.echo(f"{cluster.journal.table}\n\n{ended}")
    sys.exit(_exit_status(ended))


def _planned(declared: Fleet, choice: Choice, *, dry_run: bool) -> tuple[Cluster, Plan]:
    """The cluster, and the fleet's plan for what is chosen; `dry_run`: this command changes nothing."""
    cluster = _cluster(declared, choice.kubeconfig, choice.context, dry_run=dry_run)
    only = _chosen(cluster, declared, choice.only) if choice.failed else choice.only
    return cluster, resolve(declared, cluster, only, dry_run=choice.dry_run)


def _chosen(cluster: Cluster, declared: Fleet, only: Sequence[str]) -> Sequence[str]:
    """The names of the targets that failed in the newest rollout, as far as they are asked for."""
    last = rollout_of(cluster, rollout.named(cluster, declared.name), pods=False)
    names = [last.plan.targets[index].name for index in sorted(last.failed)]
    if not names:
        raise ParameterError(f"no target failed in {last.name}", found=last.outcome)
    return [name for name in names if not only or name in only]


def _assert_seen(planned: Plan, seen: str) -> None:
    """Refuse a plan that may change servers, unless this very plan was looked at."""
    if seen and not (len(seen) >= _SHORTEST and planned.digest.startswith(seen)):
        raise GateClosed(
            "this is not the plan that was looked at",
            found=f"now {planned.digest[:_SHORTEST]}: fleet.yaml, its targets or the notebooks differ",
            remedy="Look at it again: pgnb fleet plan.",
        )
    if planned.changing and not seen:
        raise GateClosed(
            f"this plan may change {len(planned.targets)} servers",
            found=f"{', '.join(planned.notebooks)}; plan {planned.digest[:_SHORTEST]}",
            remedy="Look at it (pgnb fleet plan), then name it:"
            f" pgnb fleet apply --plan {planned.digest[:_SHORTEST]}",
        )


@fleet.command()
@_FILE
@_connected
def status(file: Path, kubeconfig: str, context: str) -> None:
    """Show the newest rollout, a row a target: wave, state, verdicts, pod. Exit status 1 if one failed."""
    declared = fleetfile.read(file)
    cluster = _cluster(declared, kubeconfig, context, dry_run=True)
    try:
        seen = rollout_of(cluster, _newest(cluster, declared))
    except NotFound as error:
        raise ParameterError(error.message, found=error.found, remedy=error.remedy) from error
    click.echo(seen)
    if seen.failed:
        sys.exit(1)


@fleet.command()
@_FILE
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the page.")
@click.option("--lang", type=click.Choice(LANGUAGES), default="both", help="Language of the page.")
@click.option("--within", type=click.FloatRange(min=0), metavar="HOURS", help="Older records count as none.")
@_connected
def report(
    file: Path, out: Path | None, lang: str, within: float | None, kubeconfig: str, context: str
) -> None:
    """Read the store of records, print a row a target, the worst first, and with --out write the page.

    It needs the store's credentials, and the cluster only for a fleet with `discover`. Exit status: of the
    worst target, as of `pgnb run`; 4 where a target has no record, or none within the time.
    """
    from pgnb.fleet.report import gather  # Loads the store's drivers.
    from pgnb.fleet.store import RecordStore

    declared = fleetfile.read(file)
    names = [target.name for target in declared.targets]
    if declared.discover is not None:
        cluster = _cluster(declared, kubeconfig, context, dry_run=True)
        names = [target.name for target in resolve(declared, cluster).targets]
    young = timedelta(hours=within) if within is not None else None
    found = gather(
        RecordStore.at(declared.records),
        declared.name,
        targets=names,
        notebooks=declared.notebooks,
        within=young,
    )
    if out is not None:
        from pgnb.fleet.page import page

        out.write_text(page(found, lang), "utf-8")
    click.echo(found.table)
    sys.exit(found.exit_code)


@fleet.command()
@_FILE
@click.argument("target")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def records(file: Path, target: str, folder: Path) -> None:
    """Copy a target's records into a folder, for `pgnb records verify`, `show` and `compare`.

    Exit status 1 when its chain in the store has a fault.
    """
    from pgnb.fleet.store import RecordStore  # Loads the store's drivers.

    kept = RecordStore.at(fleetfile.read(file).records).target(target)
    faults = kept.verify(files=True)
    for fault in faults:
        click.echo(fault, err=True)
    click.echo(f"{kept.pull(folder)} records of {target} in {folder}")
    if faults:
        sys.exit(1)


@fleet.command()
@click.argument("plan_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def work(plan_file: Path) -> None:
    """Do one target's part; this is what the pods of a fleet's Job run.

    \b
    Exit status: of the first notebook that did not pass, as of `pgnb run`; 75 nothing was done because the
    API server or the store of records was away; 79 ended while it waited for its wave.
    """
    from pgnb.fleet import worker  # Loads Jupyter's packages.

    sys.exit(worker.work(plan_file))


def _newest(cluster: Cluster, declared: Fleet) -> str:
    """The rollout's Job, or for a schedule the newest Job of the CronJob."""
    if declared.schedule:
        return rollout.newest_scheduled(cluster, declared.name)
    return rollout.named(cluster, declared.name)


def _cluster(declared: Fleet, kubeconfig: str, context: str, *, dry_run: bool) -> Cluster:
    return connect(kubeconfig, context, declared.namespace, dry_run=dry_run)


def _change(cluster: Cluster, declared: Fleet, planned: Plan) -> Change:
    if declared.schedule:
        return rollout.plan_schedule(cluster, declared, planned)
    return rollout.plan_rollout(cluster, declared, planned)


def _targets(planned: Plan) -> Table:
    mode = Cell("may change servers", "warn") if planned.changing else Cell("checks or plans only", "good")
    rows = [
        (planned.wave_of(index), index, target.name, target.namespace)
        for index, target in enumerate(planned.targets)
    ]
    what, digest = ", ".join(planned.notebooks), planned.digest[:_SHORTEST]
    note = f"{what}: {mode}. Records: {planned.records}\nPlan {digest}"
    title = f"Fleet {planned.fleet}: {len(rows)} targets in waves of {', '.join(map(str, planned.waves))}"
    return Table.of(("wave", "index", "target", "namespace"), rows, title=title, note=note)


def _longest_wave(declared: Fleet, planned: Plan) -> float:
    """Seconds after which a wave has not ended in time: as long as its pods may take, one after the other."""
    turns = max(-(-size // declared.waves.parallelism) for size in planned.waves)
    return float(declared.timeout * len(planned.notebooks) * turns * (1 + declared.retries))


def _exit_status(ended: Rollout) -> int:
    if ended.halted and not ended.finished:
        return _HALTED
    return 1 if ended.failed else 0
