"""Which image names are served, and under which name they are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgnb_rehearsal.pods import images
from pgnb_rehearsal.pods.errors import ImageNotFound
from pgnb_rehearsal.postgres.binaries import Installation

SERVED = (
    Installation("17.10", 17, ((Path("/opt/a"), "/usr/lib/postgresql/17"),), ()),
    Installation("18.6", 18, ((Path("/opt/b"), "/usr/lib/postgresql/18"),), ()),
)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("postgres:17", "17.10"),
        ("postgres:17.10", "17.10"),
        ("postgres:17-bookworm", "17.10"),
        ("postgres:17.10-trixie", "17.10"),
        ("docker.io/library/postgres:18", "18.6"),
        ("library/postgres:18.6", "18.6"),
    ],
)
def test_served_names(name: str, version: str) -> None:
    assert images.find(name, SERVED).env["PG_VERSION"] == version


@pytest.mark.parametrize(
    "name",
    [
        "postgres",
        "postgres:latest",
        "postgres:16",
        "postgres:17.9",
        "postgres:17-alpine",
        "postgres:17@sha256:0000",
        "pgnb.example/none:1",
        "ghcr.io/library/postgres:17",
        "busybox:1",
        "",
    ],
)
def test_other_names_are_not_found(name: str) -> None:
    with pytest.raises(ImageNotFound, match=r"not found .*postgres:17\.10, postgres:18\.6"):
        images.find(name, SERVED)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("postgres", "docker.io/library/postgres:latest"),
        ("postgres:17", "docker.io/library/postgres:17"),
        ("bitnami/postgresql:17", "docker.io/bitnami/postgresql:17"),
        ("pgnb.example/none:1", "pgnb.example/none:1"),
        ("localhost:5000/none", "localhost:5000/none:latest"),
    ],
)
def test_canonical_name(name: str, full: str) -> None:
    assert images.canonical(name) == full


def test_image_follows_the_official_one() -> None:
    image = images.find("postgres:17", SERVED)
    assert (image.uid, image.gid, image.stop_signal) == (999, 999, "SIGINT")
    assert image.env["PGDATA"] == "/var/lib/postgresql/data"
    assert image.volumes == ("/var/lib/postgresql/data",)
    assert (image.entrypoint, image.command) == (("docker-entrypoint.sh",), ("postgres",))
    assert images.find("postgres:18", SERVED).env["PGDATA"] == "/var/lib/postgresql/18/docker"


def test_image_id_belongs_to_the_software() -> None:
    one, same, other = (images.find(f"postgres:{tag}", SERVED) for tag in ("17", "17.10", "18"))
    assert one.image_id == same.image_id != other.image_id
    assert len(one.image_id) == len("sha256:") + 64
