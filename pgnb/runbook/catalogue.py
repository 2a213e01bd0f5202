"""Which notebooks there are, and what a person means by `02`, `01-05` or a path."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from pgnb.core.errors import ParameterError

FOLDER_VARIABLE = "PGNB_NOTEBOOKS"
_NUMBER = re.compile(r"^(\d\d(?:_(?!00)\d\d)?)_")
"""`12_00_…` is section 12 itself: so it stands before 12_07 in a list of files."""
_RANGE = re.compile(r"^(\d\d)-(\d\d)$")


def folder() -> Path:
    """The folder of the notebooks: `PGNB_NOTEBOOKS`, `./notebooks`, or the one that came with the package.

    Raises ParameterError when there is none.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    candidates = [Path(named)] if named else [Path("notebooks"), *_carried("notebooks")]
    for candidate in candidates:
        if any(_NUMBER.match(path.name) for path in candidate.glob("*.ipynb")):
            return candidate.resolve()
    raise ParameterError(
        "the notebooks were not found",
        found=f"no NN_*.ipynb in {', '.join(map(str, candidates))}",
        remedy=f"Run in the project's folder, or set {FOLDER_VARIABLE}.",
    )


def _carried(name: str) -> tuple[Path, Path]:
    """Where a folder of the repository stands: in a clone beside the package, in a wheel inside it."""
    package = Path(__file__).parents[1]
    return package.parent / name, package / name


def copy_out(destination: Path) -> list[Path]:
    """Copy the notebooks and the parameter files that came with the package into `destination`; the copies.

    Files that are there already with the same content stay. Raises ParameterError, and copies nothing, where
    one has another content.
    """
    wanted = {
        source: destination / name / source.name
        for name, pattern in (("notebooks", "*.ipynb"), ("params", "*.yaml"))
        for source in _sources(name, pattern)
    }
    changed = [str(to) for source, to in wanted.items() if to.exists() and not _same(source, to)]
    if changed:
        raise ParameterError(
            "nothing was copied: files are there already, with another content",
            found=", ".join(changed),
            remedy="Name another folder, or move these files away.",
        )
    for source, to in wanted.items():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, to)
    return list(wanted.values())


def _sources(name: str, pattern: str) -> list[Path]:
    found = [sorted(place.glob(pattern)) for place in _carried(name)]
    return next((paths for paths in found if paths), [])


def _same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def notebooks() -> dict[str, Path]:
    """Every notebook by its section's number (`02`, `12_07`), in order."""
    found = {}
    for path in sorted(folder().glob("*.ipynb")):
        if match := _NUMBER.match(path.name):
            found[match[1]] = path
    return found


def number_of(name: str) -> str:
    """Return the number by which `pgnb run` knows a notebook of that name; the name itself without one."""
    match = _NUMBER.match(name)
    return match[1] if match else name


def select(given: Iterable[str]) -> list[Path]:
    """The notebooks that are meant, in the order given: numbers, ranges of numbers, or paths.

    Raises ParameterError for what is none of them.
    """
    return [path for wanted in given for path in _one(wanted)]


def _one(wanted: str) -> list[Path]:
    if wanted.endswith(".ipynb"):
        if not Path(wanted).is_file():
            raise ParameterError(f"there is no notebook {wanted}")
        return [Path(wanted).resolve()]
    known = notebooks()
    if match := _RANGE.match(wanted):
        chosen = [path for number, path in known.items() if match[1] <= number <= match[2]]
    else:
        chosen = [known[wanted]] if wanted in known else []
    if not chosen:
        raise ParameterError(
            f"no notebook is meant by {wanted!r}",
            remedy=f"Give a path, one of {', '.join(known)}, or a range such as 01-05.",
        )
    return chosen
