"""The Containerfile as data: its stages, what they copy, and the configuration of the image that it makes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any

ROOT = Path(__file__).parents[1]
_BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What the official image of Python has as PATH."""
_EXPANDED = {"FROM", "ENV", "LABEL", "COPY", "WORKDIR", "USER", "STOPSIGNAL"}


@dataclass
class Stage:
    """One FROM with what follows it: (instruction, its text), in order, variables expanded but for RUN."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, kind: str) -> list[str]:
        """The texts of all instructions of a kind."""
        return [text for name, text in self.instructions if name == kind]

    @property
    def copied(self) -> list[tuple[str, list[str], str]]:
        """(stage that it comes from or "", sources, destination) of each COPY."""
        return [copy_of(text) for text in self.all("COPY")]


def copy_of(text: str) -> tuple[str, list[str], str]:
    """(stage that it comes from or "", sources, destination) of a COPY."""
    words = text.split()
    origin = "".join(word.removeprefix("--from=") for word in words if word.startswith("--from="))
    *sources, destination = [word for word in words if not word.startswith("--")]
    return origin, sources, destination


def stages(path: Path = ROOT / "Containerfile", given: Mapping[str, str] | None = None) -> list[Stage]:
    """The stages of a Containerfile; `given` are build arguments."""
    found: list[Stage] = []
    arguments: dict[str, str] = {}
    known: dict[str, str] = {}
    for kind, text in _instructions(path):
        text = Template(text).safe_substitute(known) if kind in _EXPANDED else text
        if kind == "ARG":
            name, _, default = text.partition("=")
            known[name] = (given or {}).get(name, arguments.get(name, default.strip('"')))
            if not found:
                arguments[name] = known[name]
        elif kind == "FROM":
            base, _, name = text.partition(" AS ")
            found.append(Stage(base, name))
            known = {"PATH": _BASE_PATH, **arguments}
        else:
            known |= _assigned(text) if kind == "ENV" else {}
            found[-1].instructions.append((kind, text))
    return found


def _instructions(path: Path) -> Iterable[tuple[str, str]]:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            kind, _, text = line.strip().partition(" ")
            yield kind, text.strip()


def _assigned(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in shlex.split(text))}


def configuration(stage: Stage) -> dict[str, Any]:
    """The image's configuration, as OCI's specification has it."""

    def last(kind: str, default: str = "") -> str:
        return next(reversed(stage.all(kind)), default)

    variables = {"PATH": _BASE_PATH}
    for text in stage.all("ENV"):
        variables |= _assigned(text)
    labels: dict[str, str] = {}
    for text in stage.all("LABEL"):
        labels |= _assigned(text)
    return {
        "Entrypoint": json.loads(last("ENTRYPOINT", "[]")),
        "Cmd": json.loads(last("CMD", "[]")),
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "User": last("USER"),
        "WorkingDir": last("WORKDIR", "/"),
        "StopSignal": last("STOPSIGNAL", "SIGTERM"),
        "Labels": labels,
    }


def ignored(path: str, file: Path = ROOT / ".containerignore") -> bool:
    """Whether a path of the repository is kept out of the build; the last pattern that fits decides."""
    place = PurePosixPath(path)
    kept_out = False
    for pattern in file.read_text("utf-8").splitlines():
        if pattern and not pattern.startswith("#"):
            wanted = pattern.lstrip("!")
            if any(_matches(part, wanted) for part in (place, *place.parents) if part.name):
                kept_out = not pattern.startswith("!")
    return kept_out


def _matches(path: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatchcase(path.name, pattern.removeprefix("**/"))
    return fnmatchcase(str(path), pattern)
