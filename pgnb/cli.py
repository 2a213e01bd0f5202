"""The `pgnb` command."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

import click

from pgnb.core.errors import GateClosed, ParameterError, PgnbError
from pgnb.runbook import verdict

_LOADED = {
    "run": "pgnb.runbook.commands",
    "records": "pgnb.runbook.commands",
    "parameters": "pgnb.runbook.commands",
    "status": "pgnb.runbook.commands",
    "notebooks": "pgnb.runbook.commands",
    "fleet": "pgnb.fleet.commands",
}
"""Where the other commands are. Jupyter's packages take seconds to load, and not every command needs them."""
_ADDED = "pgnb.commands"
"""The group of entry points by which another distribution adds commands."""
_REHEARSAL = ("rehearsal", "rehearse")
"""Commands that pgnb-rehearsal adds, which an operator's installation does not have."""


class _Group(click.Group):
    """Shows pgnb's errors as they are, without a traceback; bad input ends with status 2.

    Commands are loaded when they are called. Other distributions add theirs by entry points.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        added = [point.name for point in entry_points(group=_ADDED)]
        return sorted({*super().list_commands(ctx), *_LOADED, *added})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _LOADED:
            return cast("click.Command", getattr(import_module(_LOADED[cmd_name]), cmd_name))
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        for point in entry_points(group=_ADDED, name=cmd_name):
            return cast("click.Command", point.load())
        if cmd_name in _REHEARSAL:
            raise click.ClickException("the rehearsal is not installed: pip install ./rehearsal in the clone")
        return None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ParameterError as error:
            click.echo(f"pgnb: {error}", err=True)
            ctx.exit(2)
        except GateClosed as error:
            click.echo(f"pgnb: {error}", err=True)
            ctx.exit(3)
        except PgnbError as error:
            click.echo(f"pgnb: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pgnb")
def main() -> None:
    """Executable runbooks for PostgreSQL replication on Kubernetes."""
    if os.getpid() == 1:
        # The first process of a container does not hear a signal that it does not handle.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@main.command()
@click.argument("journal", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def judge(journal: Path) -> None:
    """Judge a run of plain papermill by its journal (PGNB_JOURNAL); exit status as of `run`."""
    judged = verdict.judge(verdict.read(journal, strict=True))
    click.echo(judged)
    sys.exit(verdict.EXIT_CODES[judged])


if __name__ == "__main__":
    main()
