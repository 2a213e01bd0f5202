"""What a pod of a fleet's Job does: wait for its wave, run the notebooks on its target, store the records."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import click
from tenacity import Retrying, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_random_exponential

from pgnb.cluster import Cluster, connect
from pgnb.core.errors import ApiUnreachable, ParameterError, RecordError
from pgnb.core.wait import wait_until
from pgnb.fleet.job import RELEASED, RETRIED, STARTED, WAITED
from pgnb.fleet.store import RecordStore, TargetStore
from pgnb.fleet.targets import Plan
from pgnb.runbook import catalogue, runner
from pgnb.runbook.kernels import Kernels
from pgnb.runbook.records import Archive, Record, default_folder
from pgnb.runbook.runner import Terms
from pgnb.runbook.verdict import EXIT_CODES, Verdict
from pgnb.runbook.verdict import read as read_evidence

JOB, INDEX = "PGNB_FLEET_JOB", "JOB_COMPLETION_INDEX"
_LONGEST = 7 * 24 * 3600.0
"""Seconds that a pod waits for its wave, at most; the Job itself has no limit."""
_EVERY = 5.0
_STORING = 600.0
"""Seconds for which storing one record is tried."""
_TERMINATION_LOG = Path("/dev/termination-log")


class _EndedWhileWaiting(KeyboardInterrupt):
    """The pod was told to end before its wave was released."""


class _Signals:
    """SIGTERM and SIGINT, which PID 1 ignores by default: they end a wait, and stop before the next notebook.

    A notebook that runs is ended by the runner, which then keeps its record.
    """

    def __init__(self) -> None:
        self.waiting, self.ended = True, False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.ended = True
        if self.waiting:
            raise _EndedWhileWaiting


def work(plan_file: Path, *, started: Path = Path(STARTED), told: Path = _TERMINATION_LOG) -> int:
    """Do what the plan says for the index of this pod; return the exit status.

    Raises ParameterError for a plan or environment that is not a fleet's.
    """
    plan, index, signals = Plan.of(plan_file.read_text("utf-8")), _own_index(), _Signals()
    target = plan.targets[index]
    click.echo(f"target {target.name}, namespace {target.namespace}, wave {plan.wave_of(index)}")
    archive = Archive(default_folder() / target.name)
    try:
        started.touch()
        _wait_for_wave(plan, index)
        signals.waiting = False
        kept = RecordStore.at(plan.records).target(target.name)
        kept.adopt(archive.folder)
    except _EndedWhileWaiting:
        _tell(told, "ended while it waited for its wave; nothing was done")
        return WAITED
    except (ApiUnreachable, RecordError) as error:
        _tell(told, f"nothing was done, and it may be tried again: {error}")
        return RETRIED
    records = _run_all(plan, index, archive, kept, signals)
    _tell(told, json.dumps({number: str(record.verdict) for number, record in records.items()}))
    if signals.ended:
        return EXIT_CODES[Verdict.INTERRUPTED] if records else WAITED
    return _exit_status(list(records.values()))


def _own_index() -> int:
    try:
        return int(os.environ[INDEX])
    except (KeyError, ValueError) as error:
        raise ParameterError(
            f"{INDEX} is not set",
            found="this is no pod of an Indexed Job",
            remedy="`pgnb fleet work` runs in the pods that `pgnb fleet apply` makes.",
        ) from error


def _wait_for_wave(plan: Plan, index: int) -> None:
    """Wait until the wave of this index is released; a single wave is released with the Job itself."""
    if len(plan.waves) == 1:
        return
    wave, name = plan.wave_of(index), os.environ.get(JOB, "")
    if not name:
        raise ParameterError(
            "the plan has waves, and nothing here releases them",
            found=f"{JOB} is not set: this is no pod of a Job that `pgnb fleet apply` made",
            remedy="Leave `waves` out where another engine orders the targets.",
        )
    cluster = connect(dry_run=True)
    try:
        wait_until(
            f"wave {wave} to be released",
            lambda: _released(cluster, name),
            lambda released: released >= wave,
            timeout=_LONGEST,
            every=_EVERY,
            describe=lambda released: f"{released} is",
        )
    finally:
        cluster.close()


def _released(cluster: Cluster, name: str) -> int:
    job = cluster.get("jobs", name)
    if job is None:
        raise ParameterError(f"there is no Job {name} in the namespace {cluster.namespace}")
    if "deletionTimestamp" in job["metadata"]:
        return 0
    return int((job["metadata"].get("annotations") or {}).get(RELEASED, "0"))


def _run_all(
    plan: Plan, index: int, archive: Archive, kept: TargetStore, signals: _Signals
) -> dict[str, Record]:
    """Run the notebooks in order and store each record; the records by notebook.

    Checks go on after a failure, because they are independent; a change ends with its first failure, as
    `pgnb run` does.
    """
    records: dict[str, Record] = {}
    terms = Terms(namespaces=plan.approval, language=plan.language)
    paths = catalogue.select(plan.notebooks)
    with Kernels() as kernels:
        for number, path, following in zip(plan.notebooks, paths, [*paths[1:], None], strict=True):
            if signals.ended:
                break
            record = runner.run(
                path,
                plan.values(index, number),
                archive,
                timeout=plan.timeout,
                progress=False,
                kernels=kernels,
                following=following,
                terms=terms,
            )
            records[number] = record
            _report(number, record)
            stored = _store(kept, archive, record)
            click.echo(f"record {stored.number} {stored.seal} in {plan.records}")
            if _ends_here(plan, Verdict(record.verdict)):
                break
    return records


def _report(number: str, record: Record) -> None:
    click.echo(f"{number} {record.verdict}: {record.changes} changes, {record.checks_passed} checks passed")
    if record.error:
        click.echo(record.error, err=True)


def _store(kept: TargetStore, archive: Archive, record: Record) -> Record:
    """Store a record, and try again while the store is away: the pod's own files end with it.

    Raises RecordError after ten minutes; what the run changed is printed then.
    """
    tries = Retrying(
        retry=retry_if_exception_type(RecordError),
        stop=stop_after_delay(_STORING),
        wait=wait_random_exponential(multiplier=1, max=30),
        reraise=True,
    )
    try:
        return tries(kept.push, archive, record)
    except RecordError:
        changed = read_evidence(archive.path(record) / "journal.jsonl").changed
        click.echo("the record could not be stored; the run has changed:", err=True)
        click.echo("\n".join(f"  {line}" for line in changed) or "  nothing", err=True)
        raise


def _ends_here(plan: Plan, verdict: Verdict) -> bool:
    if verdict in (Verdict.UNREACHABLE, Verdict.INTERRUPTED):
        return True
    return plan.changing and EXIT_CODES[verdict] != 0


def _exit_status(records: Sequence[Record]) -> int:
    """The first that is not 0; "unreachable" only where no other notebook failed, or changed something."""
    codes = [record.exit_code for record in records if record.exit_code]
    own = [code for code in codes if code != RETRIED]
    if codes and not own and any(record.changes for record in records):
        return EXIT_CODES[Verdict.FAILED]
    return (own or codes or [0])[0]


def _tell(told: Path, text: str) -> None:
    """Print how it ended, and write it where Kubernetes keeps a container's last words, for `status`."""
    click.echo(text, err=True)
    try:
        told.write_text(text, "utf-8")
    except OSError as error:
        click.echo(f"this could not be written to {told}: {error.strerror}", err=True)
