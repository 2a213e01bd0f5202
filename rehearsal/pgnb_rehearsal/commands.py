"""`pgnb rehearsal`: the life cycle of rehearsal clusters on the command line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pgnb_rehearsal import lifecycle
from pgnb_rehearsal.lifecycle import Rehearsal

_NAME = click.option("--name", default=lifecycle.DEFAULT_NAME, show_default=True, help="Name of the cluster.")
_HOME = click.option(
    "--state-home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the clusters' state [default: $PGNB_STATE_HOME, $XDG_STATE_HOME/pgnb "
    "or ~/.local/state/pgnb].",
)


def _images(_context: click.Context, _option: click.Parameter, given: Sequence[str]) -> dict[str, Path]:
    images = dict(one.rpartition("=")[::2] for one in given)
    if "" in images:
        raise click.BadParameter("write NAME=DIRECTORY")
    return {name: Path(directory) for name, directory in images.items()}


@click.group()
def rehearsal() -> None:
    """An embedded Kubernetes on this machine, whose pods are real PostgreSQL servers."""


@rehearsal.command()
@_NAME
@_HOME
@click.option("--sample/--no-sample", default=True, help="Deploy the sample primary and its writing client.")
@click.option(
    "--volume-delay",
    type=click.FloatRange(min=0),
    help="Seconds after which a mounted ConfigMap or Secret follows its object.",
)
@click.option("--postgres", default="17", show_default=True, help="Tag of the sample's postgres image.")
@click.option(
    "--many-users",
    is_flag=True,
    help="Containers may have different users, and the image postgres starts as root, as the official one "
    "does; only root can start such a cluster.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME=DIRECTORY",
    callback=_images,
    help="Serve an image that is made of a directory: its OCI configuration in config.json, its files in "
    "rootfs. It stands on this machine's own programs. May be repeated.",
)
def up(**options: Any) -> None:
    """Start the cluster; one that runs already is left as it is."""
    began = time.monotonic()
    running = lifecycle.up(**options, on_progress=lambda text: click.echo(f"  {text} ...", err=True))
    click.echo(f"rehearsal cluster {running.name!r} is up ({time.monotonic() - began:.1f} s)")
    _describe(running)


@rehearsal.command()
@_NAME
@_HOME
def down(**options: Any) -> None:
    """End the cluster and delete its state."""
    existed = lifecycle.down(**options)
    click.echo(f"rehearsal cluster {options['name']!r} " + ("is gone" if existed else "was not there"))


@rehearsal.command()
@_NAME
@_HOME
def status(**options: Any) -> None:
    """Say whether the cluster runs and where; exit status 3 when it does not."""
    running = lifecycle.status(**options)
    if running is None:
        left = lifecycle.remains(**options)
        more = f"; remains in {left}, which `up` and `down` clear away" if left else ""
        click.echo(f"rehearsal cluster {options['name']!r} is down{more}")
        raise click.exceptions.Exit(3)
    click.echo(f"rehearsal cluster {running.name!r} is up")
    _describe(running)


@rehearsal.command()
@_NAME
@_HOME
def kubeconfig(**options: Any) -> None:
    """Print the path of the kubeconfig: kubectl --kubeconfig "$(pgnb rehearsal kubeconfig)" get pods -A"""
    click.echo(lifecycle.kubeconfig(**options))


@rehearsal.command()
@_NAME
@_HOME
def reset(**options: Any) -> None:
    """Replace the cluster by a fresh one with the same options."""
    running = lifecycle.reset(**options, on_progress=lambda text: click.echo(f"  {text} ...", err=True))
    click.echo(f"rehearsal cluster {running.name!r} is fresh")
    _describe(running)


def _describe(running: Rehearsal) -> None:
    click.echo(f"  API server  {running.server}")
    click.echo(f"  kubeconfig  {running.kubeconfig} (context {running.context})")
    click.echo(f"  daemon      PID {running.pid}, log {running.log}")
