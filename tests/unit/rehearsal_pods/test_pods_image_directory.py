"""Images that are made of a directory: what is read, what stands where, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pgnb_rehearsal import lifecycle
from pgnb_rehearsal.commands import rehearsal
from pgnb_rehearsal.pods import image_directory, layout
from pgnb_rehearsal.pods.container import ContainerSpec
from pgnb_rehearsal.pods.errors import ImageNotFound

NAME = "registry.example/tool:1"
CONFIG = {
    "Entrypoint": ["tool"],
    "Cmd": ["--help"],
    "Env": ["PATH=/opt/tool/bin:/usr/bin", "HOME=/work", "OPTIONS=a=b"],
    "User": "10001:10002",
    "WorkingDir": "/work",
    "Volumes": {"/data": {}},
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for place in ("opt/tool/bin", "usr/local/bin", "etc/ssl"):
        (tmp_path / "rootfs" / place).mkdir(parents=True)
    (tmp_path / "rootfs/opt/tool/bin/tool").write_text("#!/bin/sh\n")
    (tmp_path / "rootfs/etc/tool.conf").write_text("x\n")
    (tmp_path / "rootfs/etc/hosts").write_text("127.0.0.1 nobody\n")
    (tmp_path / "rootfs/usr/local/tool").symlink_to("/opt/tool/bin/tool")
    return configured(tmp_path, CONFIG)


def configured(directory: Path, config: dict[str, Any]) -> Path:
    (directory / "config.json").write_text(json.dumps({"os": "linux", "config": config}))
    return directory


def test_the_configuration_is_the_image_s(directory: Path) -> None:
    image = image_directory.read(NAME, directory)
    assert (image.name, image.entrypoint, image.command) == (NAME, ("tool",), ("--help",))
    assert (image.uid, image.gid, image.working_dir, image.volumes) == (10001, 10002, "/work", ("/data",))
    assert image.env["OPTIONS"] == "a=b"
    assert image.stop_signal == "SIGTERM"


def test_its_files_stand_beside_those_of_every_container(directory: Path) -> None:
    image = image_directory.read(NAME, directory)
    assert {place for _, place in image.binds} == {
        "/etc/ssl",
        "/etc/tool.conf",
        "/opt/tool",
        "/usr/local/bin",
    }
    assert all(source == directory / "rootfs" / place.lstrip("/") for source, place in image.binds)
    assert image.links == (("/usr/local/tool", "/opt/tool/bin/tool"),)


def test_its_user_has_the_home_of_the_image_and_no_name_there(directory: Path) -> None:
    image = image_directory.read(NAME, directory)
    spec = ContainerSpec("c", image, (), {}, "", (), image.uid, image.gid, directory / "log", read_only=True)
    assert layout.environment(spec, "pod-1")["HOME"] == "/work"
    root = layout.root_of(spec, "pod-1", directory / "hosts")
    assert "10001" not in root["files"]["/etc/passwd"]
    assert (root["read_only"], root["volumes"]) == (True, ["/data"])
    assert "/var/lib/postgresql" not in root["writable"]


def test_an_image_that_says_nothing_runs_as_root(directory: Path) -> None:
    image = image_directory.read(NAME, configured(directory, {}))
    assert (image.uid, image.gid, image.working_dir, image.entrypoint) == (0, 0, "/", ())
    assert image.image_id != image_directory.read(NAME, configured(directory, CONFIG)).image_id


@pytest.mark.parametrize(
    ("config", "found"),
    [({"User": "postgres"}, "User is 'postgres'"), ({"Env": ["HOME"]}, "Env has 'HOME'")],
)
def test_a_configuration_that_cannot_be_used_is_refused(
    directory: Path, config: dict[str, Any], found: str
) -> None:
    with pytest.raises(ImageNotFound, match=found):
        image_directory.read(NAME, configured(directory, config))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": []}'])
def test_another_file_is_refused(directory: Path, text: str) -> None:
    (directory / "config.json").write_text(text)
    with pytest.raises(ImageNotFound, match="no object `config`"):
        image_directory.read(NAME, directory)


def test_a_cluster_does_not_start_with_an_image_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFound, match=r"config\.json: No such file"):
        lifecycle.up("never", state_home=tmp_path, sample=False, images={NAME: tmp_path / "nowhere"})
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ImageNotFound, match="no directory rootfs"):
        lifecycle.up("never", state_home=tmp_path, sample=False, images={NAME: tmp_path})
    assert lifecycle.status("never", state_home=tmp_path) is None


@pytest.mark.parametrize("given", ["registry.example/tool:1", "=/somewhere"])
def test_an_image_without_a_name_or_a_directory_is_bad_input(given: str) -> None:
    done = CliRunner().invoke(rehearsal, ["up", "--image", given])
    assert done.exit_code == 2
    assert "write NAME=DIRECTORY" in done.output
