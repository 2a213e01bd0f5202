"""Programs for `sh`, constant texts in files; what varies reaches them as arguments."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def script(*names: str) -> str:
    """The text of one or more scripts, in order, as one program, without comments and indentation.

    An exec carries it in its URL, of which servers and proxies take 8 KB.
    """
    folder = files(__name__)
    texts = [(folder / f"{name}.sh").read_text(encoding="utf-8") for name in names]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def argv(*names: str, args: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The argv that runs those scripts with `args` as their positional parameters."""
    return ("sh", "-c", script(*names), f"pgnb-{names[-1]}", *args)
