"""What is being measured, said while it is."""

from __future__ import annotations

import click


def say(text: str) -> None:
    """One line, indented below its row's."""
    click.echo(f"    {text}", err=True)
