"""The procedure's own commands, as scripts for bash with kubectl."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import click

from benchmarks.ground import Ground

FOLDER = Path(__file__).with_name("procedure")
AS_POSTGRES = 'as_postgres() { if [ "$(id -u)" = 0 ]; then gosu postgres "$@"; else "$@"; fi; }'
"""A function for bash in a container, which is root's on a real node."""


def carry_out(ground: Ground, script: str, **given: str) -> None:
    """Run one of the scripts in the ground's namespace. Raises ClickException with the end of its output."""
    kubectl = f'kubectl() {{ {shlex.join(ground.command)} "$@"; }}\n'
    text = kubectl + (FOLDER / script).read_text("utf-8")
    done = subprocess.run(["bash", "-c", text], env=os.environ | given, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{script}: {(done.stdout + done.stderr)[-800:]}")
