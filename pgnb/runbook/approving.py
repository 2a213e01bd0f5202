"""The commands of an approval: `pgnb records request` and `approve`, and what `pgnb run --approved` does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from pgnb.core.errors import NotApproved, ParameterError
from pgnb.core.process import user_name
from pgnb.runbook import approval as approvals
from pgnb.runbook import params, requestpage, runner
from pgnb.runbook.approval import ApprovedPlan, Policy
from pgnb.runbook.catalogue import number_of
from pgnb.runbook.plans import is_plan, plan_of
from pgnb.runbook.records import Archive, Record, default_folder
from pgnb.runbook.runner import Terms

SIGNERS_VARIABLE = "PGNB_ALLOWED_SIGNERS"
RECORDS = click.option(
    "--records",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_folder,
    help="Folder of the records (PGNB_RECORDS, or ./records).",
)
SIGNERS = click.option(
    "--signers",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"allowed_signers file: whose SSH key is whose ({SIGNERS_VARIABLE}, approval.signers of the file of"
    " parameters, or git's gpg.ssh.allowedSignersFile).",
)
_TIMES = click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M%z"])


def archive_in(folder: Path) -> Archive:
    """Return the archive in a folder that is there: a mistyped path is no empty archive."""
    if not folder.is_dir():
        raise ParameterError(
            f"there is no folder {folder}", remedy="Name the records' folder by --records or PGNB_RECORDS."
        )
    return Archive(folder)


def pick(archive: Archive, which: str) -> Record:
    """Return the record of that number or name. Raises ParameterError."""
    for record in archive.all():
        if which in (record.name, str(record.number)):
            return record
    raise ParameterError(f"there is no record {which!r} in {archive.folder}")


def signers_file(given: Path | None, policy: Policy | None = None) -> Path:
    """Return the allowed_signers file: as given, of the environment, of the parameters, or git's."""
    named = given or os.environ.get(SIGNERS_VARIABLE) or (policy.signers if policy else "")
    found = str(named or _git("gpg.ssh.allowedSignersFile"))
    if not found:
        raise NotApproved(
            "it cannot be known who may approve",
            found="no allowed_signers file is named",
            remedy=f"Name one: --signers, or {SIGNERS_VARIABLE}.",
        )
    return Path(found).expanduser()


@dataclass(frozen=True)
class Window:
    """When an approved plan may be carried out, as the options say it."""

    opens: datetime | None
    closes: datetime | None
    hours: float

    @property
    def times(self) -> tuple[datetime, datetime]:
        """Begin and end, in local time."""
        begin = (self.opens or datetime.now(UTC)).astimezone()
        return begin, (self.closes or begin + timedelta(hours=self.hours)).astimezone()


@click.command()
@click.argument("record")
@click.option("--ticket", required=True, help="The ticket that the change belongs to.")
@click.option("--reason", required=True, help="Why the change is to be made, in a sentence.")
@click.option(
    "--asker", default="", help="Who asks, as the allowed_signers file names people (git's user.email)."
)
@click.option("--from", "opens", type=_TIMES, help="Begin of the window, local time (now).")
@click.option("--until", "closes", type=_TIMES, help="End of the window, local time.")
@click.option(
    "--hours", type=click.FloatRange(min=0, min_open=True), default=24.0, help="Its length instead (24)."
)
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", help="Language of the page.")
@RECORDS
def request(
    record: str, ticket: str, reason: str, asker: str, lang: str, records: Path, **window: Any
) -> None:
    """Ask to have a plan approved: write the request, and a page of it for an approval board.

    RECORD is the number or name of a plan record (`pgnb run … --dry-run`). The page is one HTML file that
    prints on A4.
    """
    archive = archive_in(records)
    begin, end = Window(**window).times
    plan = pick(archive, record)
    made = approvals.request(
        archive,
        plan,
        asker=asker or _git("user.email") or user_name(),
        ticket=ticket,
        reason=reason,
        opens=begin,
        closes=end,
    )
    page = requestpage.write(archive, plan, made, lang)
    click.echo(
        f"asked by {made.asker}: record {made.record}, plan {made.digest[:16]}\npage: {page.resolve()}"
    )
    click.echo(f"Somebody else signs it: pgnb records approve {made.record}")


@click.command()
@click.argument("record")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="SSH key that signs: private, or public with the private one in ssh-agent (git's user.signingKey).",
)
@SIGNERS
@RECORDS
def approve(record: str, key: Path | None, signers: Path | None, records: Path) -> None:
    """Sign the request to carry out a plan. Who signs is not the one who asks.

    What is signed is shown first.
    """
    archive = archive_in(records)
    number = pick(archive, record).number
    asked = approvals.read_request(archive, number)
    signing = key or Path(_git("user.signingKey") or "~/.ssh/id_ed25519").expanduser()
    if not signing.is_file():
        raise ParameterError(f"there is no key {signing}", remedy="Name the SSH key that signs by --key.")
    click.echo(asked.content, err=True)
    made = approvals.approve(archive, number, signing, signers_file(signers))
    click.echo(
        f"approved by {made.approver}: record {number}, plan {asked.digest[:16]}, from {asked.opens} until"
        f" {asked.closes}\nIt is carried out by: pgnb run {number_of(asked.notebook)} --approved {number}"
    )


def carry_out(
    archive: Archive,
    number: int,
    notebook: Path,
    signers: Path,
    report: Callable[[Record, Archive], None],
    *,
    terms: Terms,
    **how: Any,
) -> Record:
    """Carry an approved plan out, and return the record of what ran last.

    The plan is made anew first, with the same parameters: unless it is the approved one, nothing is changed.
    Raises NotApproved, with what differs.
    """
    approvals.check(archive, number, signers, now=datetime.now(UTC))
    record = pick(archive, str(number))
    if notebook.stem != record.notebook:
        raise ParameterError(
            f"record {number} is a plan of {record.notebook}",
            found=notebook.stem,
            remedy="Name that notebook.",
        )
    values = params.validate(notebook, record.parameters)
    again = runner.run(notebook, values | {"dry_run": "true"}, archive, terms=terms, **how)
    report(again, archive)
    if not is_plan(again) or again.exit_code:
        click.echo("The plan could not be made again. Nothing was changed.", err=True)
        return again
    plan = plan_of(archive, again)
    if differs := plan_of(archive, record).difference(plan):
        raise NotApproved(
            f"the plan is not any more the one that was approved (record {number}); nothing was changed",
            found=differs,
            remedy="Look at what changed meanwhile. Plan again, and ask again.",
        )
    carried = ApprovedPlan(approvals.check(archive, number, signers, now=datetime.now(UTC)), plan)
    last = runner.run(
        notebook, values | {"dry_run": "false"}, archive, terms=replace(terms, approved=carried), **how
    )
    report(last, archive)
    return last


def _git(setting: str) -> str:
    try:
        done = subprocess.run(
            ["git", "config", "--get", setting], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()
