"""What a rehearsal daemon is started with: written by `up`, read by the daemon."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pgnb_rehearsal.certificates import Certificates
from pgnb_rehearsal.state import write_private


@dataclass(frozen=True)
class Options:
    """What the user chose: the sample primary or none, the seconds after which a mounted ConfigMap or Secret
    follows its object (None: the node's default), the tag of the sample's postgres image, whether
    containers have many users and the image starts as root, the directory where images keep what initdb
    makes, and images by name with the directory that each is made of."""

    sample: bool = True
    volume_delay: float | None = None
    postgres: str = "17"
    many_users: bool = False
    initdb_copies: str | None = None
    images: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Everything the daemon needs; `token` is the administrator's bearer token."""

    name: str
    token: str
    certificates: Certificates
    options: Options

    def write(self, path: Path) -> None:
        """Writes a file that only its owner may read."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Settings:
        """The settings that `write` wrote."""
        told = json.loads(path.read_text())
        return cls(
            told["name"], told["token"], Certificates(**told["certificates"]), Options(**told["options"])
        )
