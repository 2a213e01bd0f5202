"""Programs for `sh`, constant texts in files; what varies reaches them as arguments."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def script(*names: str) -> str:
    """The text of one or more scripts, in order, as one program."""
    folder = files(__name__)
    return "\n".join((folder / f"{name}.sh").read_text(encoding="utf-8") for name in names)


def argv(*names: str, args: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The argv that runs those scripts with `args` as their positional parameters."""
    return ("sh", "-c", script(*names), f"pgnb-{names[-1]}", *args)
