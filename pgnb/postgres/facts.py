"""Facts of a server, read once, in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from pgnb.core.errors import QueryFailed, WrongServer
from pgnb.postgres.queries import sql_of
from pgnb.postgres.rows import Row, Rows

OLDEST, NEWEST = 14, 18
"""The major versions that the runbooks are made for."""


@dataclass(frozen=True)
class Owner:
    """The owner of a directory, and its mode in octal."""

    uid: int
    gid: int
    mode: str


@dataclass(frozen=True)
class Facts:
    """Identity and directories of a server, from pg_settings, pg_control_system() and pg_config.

    Texts are "" and numbers 0 if the login may not see them; sizes are bytes.
    """

    version: str = ""
    version_num: int = 0
    in_recovery: bool = False
    system_identifier: str = ""
    timeline: int = 0
    data_directory: str = ""
    config_file: str = ""
    hba_file: str = ""
    ident_file: str = ""
    bin_dir: str = ""
    port: int = 5432
    ssl: bool = False
    block_size: int = 8192
    wal_segment_size: int = 16 * 1024 * 1024
    encoding: str = ""
    checksums: bool = False
    cluster_name: str = ""
    allow_alter_system: bool = True
    started: datetime | None = None
    login: str = ""
    superuser: bool = False

    @property
    def major(self) -> int:
        """The major version: 17 for 17.10; 0 if there is no server."""
        return self.version_num // 10000

    @property
    def role(self) -> str:
        """`primary` or `standby`."""
        if not self.version_num:
            return "not there yet"
        return "standby" if self.in_recovery else "primary"

    @property
    def version_text(self) -> str:
        """The version without the packager's text."""
        return self.version.split(" ")[0]

    def tool(self, program: str) -> str:
        """Return the path of one of the server's own programs, or its bare name if bin_dir is unknown."""
        return str(PurePosixPath(self.bin_dir) / program) if self.bin_dir else program


def read_facts(query: Callable[[str], Rows]) -> Facts:
    """Read the facts by that query function; a login with few rights gets what it may see."""
    try:
        rows = query(sql_of("facts", OLDEST))
    except QueryFailed as failure:
        if not failure.lacks_right:
            raise
        rows = query(sql_of("facts_limited", OLDEST))
    return facts_of(rows[0])


def facts_of(row: Row) -> Facts:
    """Return the facts from the one row of the query `facts`."""
    settings: Mapping[str, str] = row["settings"]
    return Facts(
        version=settings["server_version"],
        version_num=int(settings["server_version_num"]),
        in_recovery=row["in_recovery"],
        system_identifier=row["system_identifier"] or "",
        timeline=row["timeline"] or 0,
        bin_dir=row["bin_dir"] or "",
        started=row["started"],
        login=row["login"],
        superuser=bool(row["superuser"]),
        **_places(settings),
    )


def _places(settings: Mapping[str, str]) -> dict[str, Any]:
    return {
        "data_directory": settings.get("data_directory", ""),
        "config_file": settings.get("config_file", ""),
        "hba_file": settings.get("hba_file", ""),
        "ident_file": settings.get("ident_file", ""),
        "port": int(settings["port"]),
        "ssl": settings["ssl"] == "on",
        "block_size": int(settings["block_size"]),
        "wal_segment_size": int(settings["wal_segment_size"]),
        "encoding": settings["server_encoding"],
        "checksums": settings["data_checksums"] == "on",
        "cluster_name": settings["cluster_name"],
        # Before 17 this setting does not exist, and ALTER SYSTEM is always allowed.
        "allow_alter_system": settings.get("allow_alter_system", "on") == "on",
    }


def assert_expected(name: str, facts: Facts, system_identifier: str | int | None) -> None:
    """Raise WrongServer unless this is the expected database cluster, of a supported version.

    The error names both identifiers.
    """
    if not OLDEST <= facts.major <= NEWEST:
        raise WrongServer(
            f"{name} runs a version that the runbooks do not support",
            found=f"PostgreSQL {facts.version_text}",
            remedy=f"PostgreSQL {OLDEST} to {NEWEST} are supported.",
        )
    if system_identifier and facts.system_identifier and str(system_identifier) != facts.system_identifier:
        raise WrongServer(
            f"{name} is not the expected database cluster",
            found=f"system identifier {facts.system_identifier}, expected {system_identifier}",
            remedy="Check the selector: this server was created by another initdb, or another"
            " data directory is mounted.",
        )
