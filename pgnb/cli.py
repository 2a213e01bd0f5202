"""The `pgnb` command."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click

from pgnb.errors import ParameterError, PgnbError
from pgnb.runbook import verdict

_LOADED = {
    "run": "pgnb.runbook.commands", "records": "pgnb.runbook.commands",
    "parameters": "pgnb.runbook.commands", "notebooks": "pgnb.runbook.commands",
    "rehearsal": "pgnb_rehearsal.commands", "rehearse": "pgnb_rehearsal.drills.commands",
}  # fmt: skip
"""Where the other commands are. Jupyter's packages take seconds to load, and not every command needs them."""


class _Group(click.Group):
    """Shows pgnb's errors as they are, without a traceback; bad input ends with status 2.

    Commands are loaded when they are called: an operator's installation lacks the rehearsal's packages.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LOADED])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LOADED:
            return super().get_command(ctx, cmd_name)
        try:
            return cast("click.Command", getattr(import_module(_LOADED[cmd_name]), cmd_name))
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"the rehearsal's packages are not installed (no {error.name}): pip install 'pgnb[rehearsal]'"
            ) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ParameterError as error:
            click.echo(f"pgnb: {error}", err=True)
            ctx.exit(2)
        except PgnbError as error:
            click.echo(f"pgnb: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pgnb")
def main() -> None:
    """Executable runbooks for PostgreSQL replication on Kubernetes."""


@main.command()
@click.argument("journal", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def judge(journal: Path) -> None:
    """Judge a run of plain papermill by its journal (PGNB_JOURNAL); exit status as of `run`."""
    judged = verdict.judge(verdict.read(journal, strict=True))
    click.echo(judged)
    sys.exit(verdict.EXIT_CODES[judged])


if __name__ == "__main__":
    main()
