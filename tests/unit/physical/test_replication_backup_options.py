"""Options of pg_basebackup, checked before anything is done."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.core.errors import ParameterError
from pgnb.physical import BackupOptions
from pgnb.runbook.constraints import CONSTRAINTS


def test_they_are_given_as_pg_basebackup_takes_them() -> None:
    assert BackupOptions().arguments == ("--checkpoint=fast",)
    assert BackupOptions("50M", "spread", "server-zstd:3").arguments == (
        "--checkpoint=spread",
        "--max-rate=50M",
        "--compress=server-zstd:3",
    )
    assert BackupOptions("64").bytes_per_second == 64 * 1024
    assert BackupOptions("1.5M").bytes_per_second == 1.5 * 1024**2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_rate": "31k"}, "max_rate cannot be '31k'"),
        ({"max_rate": "2000M"}, "max_rate cannot be"),
        ({"max_rate": "fast"}, "max_rate cannot be"),
        ({"checkpoint": "slow"}, "Use fast or spread"),
        ({"compression": "gzip; id"}, "Write server-lz4"),
        ({"compression": "client-lz4"}, "Write server-lz4"),
    ],
)
def test_what_pg_basebackup_would_refuse_is_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        BackupOptions(**options)


def test_a_notebooks_parameter_takes_no_compression_by_the_client() -> None:
    accepts = CONSTRAINTS["backup_compression"].accepts
    assert accepts("server-zstd:3")
    assert not accepts("client-zstd")


@pytest.mark.parametrize(
    ("compression", "major", "stopped"),
    [("", 14, []), ("server-lz4", 14, ["backup_compression"]), ("server-lz4", 15, [])],
)
def test_an_older_server_cannot_compress(compression: str, major: int, stopped: list[str]) -> None:
    seen = {"wal_rate": 0.0, "cap_bytes": None, "since": datetime.now(UTC)}
    primary: Any = SimpleNamespace(facts=SimpleNamespace(major=major), fetch_one=lambda _: seen)
    checks = BackupOptions(compression=compression).checks(primary, 1024)
    assert [check.name for check in checks if check.stops] == stopped
