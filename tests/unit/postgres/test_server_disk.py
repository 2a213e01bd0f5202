"""What a server's container says of its disk, with programs that know fewer options."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.postgres.disk import wal_directory

_AS_BUSYBOX = """#!/bin/sh
case $1 in -m) echo "readlink: unrecognized option: m" >&2; exit 1 ;; esac
exec /usr/bin/readlink "$@"
"""


@pytest.mark.parametrize(
    ("link", "place"),
    [("/wal/pg_wal", "/wal/pg_wal"), ("../wal/./x", "{}/wal/x"), ("/wal/", "/wal"), ("", "{}/pgdata/pg_wal")],
)
def test_the_place_of_wal_is_read_without_options_that_not_every_image_has(
    tmp_path: Path, link: str, place: str
) -> None:
    data = tmp_path / "pgdata"
    data.mkdir()
    if link:
        (data / "pg_wal").symlink_to(link)
    program = tmp_path / "readlink"
    program.write_text(_AS_BUSYBOX)
    program.chmod(0o755)

    def run(_: object, argv: Sequence[str], *, check: bool) -> SimpleNamespace:
        done = subprocess.run(argv, capture_output=True, text=True, check=check, env={"PATH": f"{tmp_path}"})
        return SimpleNamespace(text=done.stdout.strip())

    facts = SimpleNamespace(data_directory=str(data))
    server: Any = SimpleNamespace(cluster=SimpleNamespace(exec=run), pod=None, facts=facts)
    assert wal_directory(server) == place.format(tmp_path)
