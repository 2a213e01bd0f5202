"""Programs for `sh`: constant files; variable parts are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

_HERE = (__name__,)


@cache
def script(*names: str, packages: Sequence[str] = _HERE) -> str:
    """Return one or more scripts, in order, as one program, without comments and indentation.

    `packages` are searched for `name.sh` in order. An exec sends the program in its URL, of which servers and
    proxies accept 8 KB. Raises FileNotFoundError if no package has a script.
    """
    texts = [_text(name, packages) for name in names]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def argv(*names: str, args: tuple[str, ...] = (), packages: Sequence[str] = _HERE) -> tuple[str, ...]:
    """Return the argv that runs those scripts with `args` as their positional parameters."""
    return ("sh", "-c", script(*names, packages=packages), f"pgnb-{names[-1]}", *args)


def _text(name: str, packages: Sequence[str]) -> str:
    for package in packages:
        file = files(package) / f"{name}.sh"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(f"no {name}.sh in {', '.join(packages)}")
