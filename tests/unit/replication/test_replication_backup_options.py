"""Options of pg_basebackup, checked before anything is done."""

from __future__ import annotations

import pytest

from pgnb.errors import ParameterError
from pgnb.replication import BackupOptions


def test_they_are_given_as_pg_basebackup_takes_them() -> None:
    assert BackupOptions().arguments == ("--checkpoint=fast",)
    assert BackupOptions("50M", "spread", "server-zstd:3").arguments == (
        "--checkpoint=spread", "--max-rate=50M", "--compress=server-zstd:3"
    )  # fmt: skip
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
    ],
)
def test_what_pg_basebackup_would_refuse_is_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        BackupOptions(**options)
