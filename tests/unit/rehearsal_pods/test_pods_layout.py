"""What a container finds in /etc, and its environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgnb_rehearsal.pods import images, layout
from pgnb_rehearsal.pods.container import ContainerSpec
from pgnb_rehearsal.postgres.binaries import Installation

INSTALLATION = Installation("17.10", 17, ((Path("/opt/a"), "/usr/lib/postgresql/17"),), ())


def spec(uid: int = 999, **env: str) -> ContainerSpec:
    image = images.find("postgres:17", [INSTALLATION])
    return ContainerSpec("main", image, (), env, "", (), uid, uid, Path("log"))


@pytest.mark.parametrize("uid", [0, 999, 70, 1000680000])
def test_every_user_has_a_name(uid: int) -> None:
    entries = [line.split(":") for line in layout.passwd(uid, uid).splitlines()]
    assert sum(entry[2] == str(uid) for entry in entries) == 1
    assert all(len(entry) == 7 for entry in entries)
    assert sum(line.split(":")[2] == str(uid) for line in layout.group(uid).splitlines()) == 1


def test_the_pod_overrides_the_image() -> None:
    env = layout.environment(spec(PGDATA="/data", LANG="C"), "pod-1")
    assert (env["PGDATA"], env["LANG"], env["HOSTNAME"]) == ("/data", "C", "pod-1")
    assert env["PG_MAJOR"] == "17"


@pytest.mark.parametrize(("uid", "home"), [(0, "/root"), (999, "/var/lib/postgresql"), (70, "/")])
def test_home_follows_the_user(uid: int, home: str) -> None:
    assert layout.environment(spec(uid), "pod-1")["HOME"] == home
    assert layout.environment(spec(uid, HOME="/elsewhere"), "pod-1")["HOME"] == "/elsewhere"
