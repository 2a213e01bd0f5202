"""The programs of physical replication, and beside them those of the server's floor."""

from __future__ import annotations

from collections.abc import Mapping

from pgnb.postgres import scripts as server

_PACKAGES = (__name__, server.__name__)


def script(*names: str) -> str:
    """The text of one or more scripts as one program."""
    return server.script(*names, packages=_PACKAGES)


def argv(*names: str, args: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The argv that runs those scripts with `args` as their positional parameters."""
    return server.argv(*names, args=args, packages=_PACKAGES)


def key_values(text: str) -> Mapping[str, str]:
    """Parse the KEY=VALUE lines that a script prints; other lines are left out."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip() for key, _, value in pairs}
