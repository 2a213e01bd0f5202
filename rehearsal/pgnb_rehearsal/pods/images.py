"""Images by name: what a container is made of when its pod names `postgres:<version>`.

Other images are made of directories: see image_directory.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.pods.errors import ImageNotFound
from pgnb_rehearsal.postgres.binaries import Installation, installations

_REPOSITORIES = frozenset(
    {"postgres", "library/postgres", "docker.io/postgres", "docker.io/library/postgres"}
)
_TAG = re.compile(r"(?P<version>\d+(?:\.\d+)?)(?:-(?:trixie|bookworm|bullseye))?")
_SCRIPTS = Path(__file__).resolve().parents[1] / "postgres"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
POSTGRES_ID = 999


@dataclass(frozen=True)
class Image:
    """An image's configuration (OCI image specification) and what stands for its layers.

    `name` is the canonical one, `image_id` changes with the software. `binds` are (file or directory of the
    machine, where it stands in the container), `links` (path in the container, its target), `programs` what
    is copied. `directories` belong to the container's user, with their modes; `volumes` do so, too, and are
    meant to be mounted over. `names_user`: whoever it is run as has an entry in /etc/passwd. `initdb_copies`
    is a directory of the machine where initdb keeps what it makes, and copies it from the next time; None:
    it is run every time.
    """

    name: str
    image_id: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    env: Mapping[str, str]
    uid: int
    gid: int
    stop_signal: str
    working_dir: str
    volumes: tuple[str, ...]
    binds: tuple[tuple[Path, str], ...]
    links: tuple[tuple[str, str], ...]
    programs: Mapping[str, Path] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)
    names_user: bool = False
    initdb_copies: Path | None = None


def find(name: str, installations: Iterable[Installation], others: Iterable[str] = ()) -> Image:
    """The image called `name`, from the first installation whose version fits; ImageNotFound otherwise.

    `others` are the names of the images that are served beside these, for the error.
    """
    served = tuple(installations)
    repository, _, tag = name.partition(":")
    match = _TAG.fullmatch(tag)
    if repository in _REPOSITORIES and match:
        for installation in served:
            if match["version"] in (installation.version, str(installation.major)):
                return _postgres(tag, installation)
    raise _not_found(name, served, others)


def require(tag: str) -> None:
    """Raise RehearsalError where no PostgreSQL of this machine is the image `postgres:TAG`."""
    served = installations(for_others=False)
    try:
        find(f"postgres:{tag}", served)
    except ImageNotFound:
        raise RehearsalError(
            f"This machine has no PostgreSQL for the image postgres:{tag}.",
            found=f"the rehearsal cluster serves {_names(served)}",
            remedy="name one of them, `pip install ./rehearsal`, or set PGNB_PG_BIN",
        ) from None


def _names(served: Iterable[Installation]) -> str:
    return ", ".join(f"postgres:{installation.version}" for installation in served)


def _postgres(tag: str, installation: Installation) -> Image:
    major = installation.major
    data = "/var/lib/postgresql/data" if major < 18 else f"/var/lib/postgresql/{major}/docker"
    return Image(
        name=f"docker.io/library/postgres:{tag}",
        image_id="sha256:" + hashlib.sha256(installation.identity.encode()).hexdigest(),
        entrypoint=("docker-entrypoint.sh",),
        command=("postgres",),
        env={
            # First, so that a wrapper script of the machine's own packages in /usr/bin is not met instead.
            "PATH": f"/usr/lib/postgresql/{major}/bin:{_SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "PG_MAJOR": str(major),
            "PG_VERSION": installation.version,
            "PGDATA": data,
        },
        uid=POSTGRES_ID,
        gid=POSTGRES_ID,
        stop_signal="SIGINT",
        working_dir="/",
        volumes=(data if major < 18 else "/var/lib/postgresql",),
        binds=installation.binds,
        links=installation.links,
        programs={
            "/usr/local/bin/docker-entrypoint.sh": _SCRIPTS / "entrypoint.sh",
            "/usr/local/bin/initdb-copied": _SCRIPTS / "initdb-copied.sh",
        },
        directories={
            "/run/postgresql": 0o3777,
            "/docker-entrypoint-initdb.d": 0o755,
            "/var/lib/postgresql": 0o1777,
        },
        names_user=True,
    )


def _not_found(name: str, served: tuple[Installation, ...], others: Iterable[str]) -> ImageNotFound:
    full = canonical(name)
    names = ", ".join([_names(served), *others])
    return ImageNotFound(
        f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": {full}: not found '
        f"(the rehearsal cluster serves {names})"
    )


def canonical(name: str) -> str:
    """`name` with registry, repository and tag written out, as container runtimes report it."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}"
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"
