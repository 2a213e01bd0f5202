"""Settings on a container's command line, and another configuration file."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb.cluster import Pod, Workload
from pgnb.physical.target import Target

DATA = "/var/lib/postgresql/data"


def target(*args: str) -> Target:
    container = {
        "name": "db",
        "image": "postgres:17",
        "args": [*args],
        "volumeMounts": [{"name": "d", "mountPath": DATA}],
    }
    spec: dict[str, Any] = {
        "containers": [container],
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "d"}}],
    }
    pod = Pod.of({"metadata": {"name": "p", "uid": "u"}, "spec": spec})
    mount = pod.mount_of(DATA)
    assert mount is not None
    return Target(Workload("Deployment", "p", 0, "Recreate", "", (), {}), pod, DATA, mount)


@pytest.mark.parametrize(
    "args",
    [
        ("-c", "config_file=/etc/pg.conf", "-c", "work_mem=4MB"),
        ("postgres", "-cconfig_file=/etc/pg.conf", "-cwork_mem=4MB"),
        ("--config-file=/etc/pg.conf", "--work-mem=4MB"),
    ],
)
def test_a_configuration_file_of_its_own_is_no_option(args: tuple[str, ...]) -> None:
    assert target(*args).configured_elsewhere
    assert target(*args).options() == ("-c", "work_mem=4MB")


@pytest.mark.parametrize("shell", [("bash", "-c"), ("/bin/sh", "-ec"), ("bash", "-o", "pipefail", "-c")])
def test_a_shell_s_script_before_the_server_is_no_option(shell: tuple[str, ...]) -> None:
    script = 'LANG=C exec docker-entrypoint.sh postgres "$@"'
    assert target(*shell, script, "entrypoint", "-c", "work_mem=4MB").options() == ("-c", "work_mem=4MB")


def test_the_data_directorys_own_file_is_not_elsewhere() -> None:
    assert not target().configured_elsewhere
    assert not target("-c", f"config_file={DATA}/postgresql.conf").configured_elsewhere
