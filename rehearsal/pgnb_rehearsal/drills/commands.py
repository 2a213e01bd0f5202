"""`pgnb rehearse`: run the runbooks on a rehearsal cluster while a client keeps writing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pgnb_rehearsal import lifecycle
from pgnb_rehearsal.drills.failover import practise_failover
from pgnb_rehearsal.drills.logical import practise_logical
from pgnb_rehearsal.drills.stage import STANDBY, on_stage

SET_UP = ("00", "01", "02", "03", "04", "05")
OPERATE = ("06", "07", "08", "10", "11")
_OPTIONS = (
    click.option("--keep", is_flag=True, help="Leave the cluster up, and show how to continue with it."),
    click.option("--name", default=lifecycle.DEFAULT_NAME, show_default=True, help="Name of the cluster."),
    click.option("--state-home", type=click.Path(file_okay=False, path_type=Path), help="Its state."),
    click.option(
        "--records",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("rehearsal-records"),
        show_default=True,
        help="Folder of the records.",
    ),
)


def _on_stage(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_on_stage
@click.option("--allow-restart", is_flag=True, help="Allow the one restart of section 2.")
@click.pass_context
def rehearse(ctx: click.Context, /, allow_restart: bool, **options: Any) -> None:
    """Run the physical procedure on a new rehearsal cluster while a client keeps writing.

    Exit status 0 if every notebook passed and the guarantee was kept: no acknowledged row is missing, no
    client met a duplicate key, the client writes at the end, and where no restart was allowed nothing of the
    procedure interrupted its writes. The machine's own delays are measured beside the client, and shown.
    """
    if ctx.invoked_subcommand:
        return
    with on_stage(**options) as stage:
        passed = stage.run_all([*SET_UP, *OPERATE, "00"], allow_restart=allow_restart)
        kept = stage.conclude(others=[STANDBY] if passed else [])
    sys.exit(0 if passed and kept else 1)


@rehearse.command()
@_on_stage
def failover(**options: Any) -> None:
    """Practise section 9 on a new pair: a planned switchover, a crash with its failover, a rejoin.

    Exit status 0 if every run passed, the switchover lost no acknowledged row, the failover no more than it
    had announced, and writing continued.
    """
    with on_stage(**options) as stage:
        passed = practise_failover(stage)
    sys.exit(0 if passed else 1)


@rehearse.command()
@_on_stage
def logical(**options: Any) -> None:
    """Practise section 12: set-up, a new table and database, three errors with remedies, a planned cut-over.

    Exit status 0 if every run passed, no acknowledged row is missing on either server, and no client met a
    duplicate key.
    """
    with on_stage(**options) as stage:
        passed = practise_logical(stage)
    sys.exit(0 if passed else 1)
