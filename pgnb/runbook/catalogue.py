"""Which notebooks there are, and what a person means by `02`, `01-05` or a path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from pgnb.errors import ParameterError

FOLDER_VARIABLE = "PGNB_NOTEBOOKS"
_NUMBER = re.compile(r"^(\d\d(?:_\d\d)?)_")
_RANGE = re.compile(r"^(\d\d)-(\d\d)$")


def folder() -> Path:
    """The folder of the notebooks: `PGNB_NOTEBOOKS`, `./notebooks`, or the one beside the package.

    Raises ParameterError when there is none.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    candidates = [Path(named)] if named else [Path("notebooks"), Path(__file__).parents[2] / "notebooks"]
    for candidate in candidates:
        if any(candidate.glob("*.ipynb")):
            return candidate.resolve()
    raise ParameterError(
        "the notebooks were not found",
        found=f"no *.ipynb in {', '.join(map(str, candidates))}",
        remedy=f"Run in the project's folder, or set {FOLDER_VARIABLE}.",
    )


def notebooks() -> dict[str, Path]:
    """Every notebook by its section's number (`02`, `12_07`), in order."""
    found = {}
    for path in sorted(folder().glob("*.ipynb")):
        if match := _NUMBER.match(path.name):
            found[match[1]] = path
    return found


def select(wishes: Iterable[str]) -> list[Path]:
    """The notebooks that are meant, in the order given: numbers, ranges of numbers, or paths.

    Raises ParameterError for what is none of them.
    """
    return [path for wish in wishes for path in _one(wish)]


def _one(wish: str) -> list[Path]:
    if wish.endswith(".ipynb"):
        if not Path(wish).is_file():
            raise ParameterError(f"there is no notebook {wish}")
        return [Path(wish).resolve()]
    known = notebooks()
    if match := _RANGE.match(wish):
        chosen = [path for number, path in known.items() if match[1] <= number <= match[2]]
    else:
        chosen = [known[wish]] if wish in known else []
    if not chosen:
        raise ParameterError(
            f"no notebook is meant by {wish!r}",
            remedy=f"Give a path, one of {', '.join(known)}, or a range such as 01-05.",
        )
    return chosen
