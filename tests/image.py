"""The image as a directory that a rehearsal cluster serves, made by the Containerfile's own instructions.

The build stage is carried out: what it copies is copied, and what it runs is run, with its paths below a
directory. Two things stand for what only a network gives: the base image is this environment's Python, at its
own place, and the packages that requirements.lock names are this environment's, which `make` installed by the
developers' lock. The last stage's RUN wants Debian's packages and root, and is left to
.github/workflows/image.yaml.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests import containerfile
from tests.containerfile import ROOT, Stage

REVISION = "0123456789abcdef0123456789abcdef01234567"
_PATHS = ("/opt/pgnb", "/dist")
"""Places of the build stage that its commands name."""
_UNUSED = shutil.ignore_patterns(
    "site-packages", "test", "tests", "idlelib", "lib2to3", "tkinter", "config-*"
)


def assemble(directory: Path) -> Path:
    """Make the image below `directory`: config.json and rootfs; the directory."""
    build, last = containerfile.stages(given={"REVISION": REVISION})
    stage, rootfs = directory / "build", directory / "rootfs"
    _carry_out(build, stage)
    for origin, sources, destination in last.copied:
        assert (origin, len(sources)) == (build.name, 1)
        target = rootfs / destination.lstrip("/")
        target.parent.mkdir(parents=True)
        shutil.move(stage / sources[0].lstrip("/"), target)
        _settle(target, str(stage))
    base_python(rootfs)
    config = containerfile.configuration(last)
    (rootfs / config["WorkingDir"].lstrip("/")).mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps({"os": "linux", "config": config}))
    return directory


def _carry_out(build: Stage, stage: Path) -> None:
    stage.mkdir()
    here = stage
    for kind, text in build.instructions:
        if kind == "WORKDIR":
            here = stage / text.lstrip("/")
            here.mkdir(parents=True, exist_ok=True)
        elif kind == "COPY":
            _, sources, destination = containerfile.copy_of(text)
            for source in sources:
                _copy(source, here / destination / ("" if (ROOT / source).is_dir() else source))
        elif kind == "RUN" and "--require-hashes" not in text:
            _run(text, here, stage)
        elif kind == "RUN" and "--python /opt/pgnb" in text:
            _take_packages(here / "requirements.lock", stage / "opt/pgnb")


def _copy(source: str, target: Path) -> None:
    """Copy a file or directory of the repository, without what is kept out of the build."""
    assert not containerfile.ignored(source), f".containerignore keeps {source} out"

    def kept_out(folder: str, names: list[str]) -> list[str]:
        below = Path(folder).relative_to(ROOT)
        return [name for name in names if containerfile.ignored(str(below / name))]

    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=kept_out)
    else:
        shutil.copyfile(ROOT / source, target)


def _run(command: str, here: Path, stage: Path) -> None:
    for path in _PATHS:
        command = command.replace(f" {path}", f" {stage}{path}")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PATH": programs,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    done = subprocess.run(
        ["sh", "-c", command], cwd=here, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def _take_packages(lock: Path, environment: Path) -> None:
    """Link the files of the packages that a lock names and this platform has, but for their programs."""
    for requirement in requirements(lock):
        found = distribution(requirement.name)
        files, beside = found.files, str(found.locate_file(""))
        assert files, f"it is not known which files {found.name} has"
        for file in files:
            path = os.path.normpath(f"{beside}/{file}")
            place = os.path.relpath(path, sys.prefix)
            if not place.startswith(("bin/", "..")) and Path(path).is_file():
                _link(path, f"{environment}/{place}")


def requirements(lock: Path) -> Iterator[Requirement]:
    """What a lock file asks for on this platform and Python."""
    for line in lock.read_text("utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.rstrip("\\ "))
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        Path(target).parent.mkdir(parents=True)
        _link(source, target)
    except OSError:  # another file system, or a file of somebody else
        shutil.copy(source, target)


def _settle(environment: Path, stage: str) -> None:
    """Let programs begin with the interpreter at the place where it will stand."""
    for program in (environment / "bin").iterdir():
        text = b"" if program.is_symlink() else program.read_bytes()
        if text.startswith(f"#!{stage}".encode()):
            program.write_bytes(text.replace(f"#!{stage}".encode(), b"#!", 1))


def base_python(rootfs: Path) -> None:
    """The base image: this Python, which stays at its own place, unless every container has it there."""
    base, name = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = rootfs / "usr/local/bin/python3"
    python.parent.mkdir(parents=True)
    python.symlink_to(base / "bin" / name)
    if base == Path("/usr"):
        return
    place = rootfs / str(base).lstrip("/")
    _link((base / "bin" / name).resolve(), place / "bin" / name)
    for library in (base / "lib").glob("*.so*"):
        _link(library.resolve(), place / "lib" / library.name)
    shutil.copytree(base / "lib" / name, place / "lib" / name, copy_function=_link, ignore=_UNUSED)
