"""The standby's manifests: what they copy from the primary, and what the operator's file must have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pgnb.cluster import Workload
from pgnb.cluster.security import User, container_security, effective_uid, pod_security
from pgnb.cluster.templates import rendered
from pgnb.core.errors import ParameterError
from pgnb.physical.login import logs_in
from pgnb.physical.manifest import _workload_of, with_passfile
from pgnb.postgres.source import PASSFILE_DIRECTORY, Source

OWNER = User(70, 70)
SOURCE = Source("postgres-primary", 5432, "replicator", "replication")
VALUES: dict[str, Any] = {
    "name": "standby",
    "labels": {"app": "standby"},
    "replicas": 0,
    "access_modes": ["ReadWriteOnce"],
    "storage_class": "fast",
    "size": "5Gi",
    "port": 5432,
    "uid": 70,
    "gid": 70,
    "pull_secrets": None,
    "pod_security": pod_security({}, OWNER),
    "container_security": container_security(OWNER),
    "placement": {"tolerations": [{"key": "dedicated", "operator": "Exists"}]},
    "node_affinity": None,
    "primary_labels": {"app": "postgres-primary"},
    "image": "registry.example/postgres:17-alpine",
    "passfile_command": SOURCE.passfile_command,
    "passfile_directory": PASSFILE_DIRECTORY,
    "secret": "replication",
    "secret_key": "password",
    "container": "db",
    "command": None,
    "args": ["postgres", "-c", "log_line_prefix=%m [%p] 'x' "],
    "data_directory": "/data/pg",
    "resources": {"limits": {"memory": "1Gi"}},
    "mount": "/data",
    "config_map": "standby-config",
    "config_mount": "/etc/postgresql/custom-config",
    "more_claims": [],
    "more_mounts": [{"name": "tls", "mountPath": "/tls"}],
    "more_volumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
    "env": [{"name": "TZ", "value": "UTC"}],
    "env_from": [],
}


def standby(**other: Any) -> dict[str, dict[str, Any]]:
    return {m["kind"]: m for m in rendered("", "standby.yaml", VALUES | other)}


def test_the_template_keeps_the_rules_that_keep_data_alive() -> None:
    made = standby()
    deployment = made["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    assert deployment["strategy"] == {"type": "Recreate"}
    assert deployment["replicas"] == 0
    assert pod["terminationGracePeriodSeconds"] >= 120
    assert pod["securityContext"] == {
        "runAsUser": 70,
        "runAsGroup": 70,
        "fsGroup": 70,
        "fsGroupChangePolicy": "OnRootMismatch",
    }
    assert pod["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    server = pod["containers"][0]
    assert {"name": "PGDATA", "value": "/data/pg"} in server["env"]
    assert not [env for env in server["env"] if "PASSWORD" in env["name"]]
    assert server["args"] == VALUES["args"]
    assert {"name": "tls", "mountPath": "/tls"} in server["volumeMounts"]
    claim = made["PersistentVolumeClaim"]["spec"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"]["requests"]["storage"] == "5Gi"


def test_without_a_storage_class_the_clusters_default_is_left_to_it() -> None:
    assert "storageClassName" not in standby(storage_class="")["PersistentVolumeClaim"]["spec"]


def test_a_value_that_yaml_would_read_as_something_else_stays_a_text() -> None:
    made = standby(storage_class="no", size="5", config_map="1e3", image="r:1 # x")
    claim = made["PersistentVolumeClaim"]["spec"]
    assert claim["storageClassName"] == "no"
    assert claim["resources"]["requests"]["storage"] == "5"
    pod = made["Deployment"]["spec"]["template"]["spec"]
    assert {container["image"] for container in pod["containers"]} == {"r:1 # x"}
    assert "1e3" in [volume.get("configMap", {}).get("name") for volume in pod["volumes"]]


def test_the_template_makes_its_own_passfile() -> None:
    assert logs_in(Workload.of(standby()["Deployment"]), "db", SOURCE, OWNER)


def test_every_container_of_the_template_complies_with_restricted_and_has_resources() -> None:
    spec = standby()["Deployment"]["spec"]["template"]["spec"]
    for container in (*spec["initContainers"], *spec["containers"]):
        context = container["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert context["runAsUser"] == 70
        assert container["resources"] == {"limits": {"memory": "1Gi"}}


_USERS: list[tuple[str, dict[str, Any], dict[str, Any], User, int]] = [
    ("the image starts as root and steps down", {}, {}, User(999, 999), 999),
    ("the image has a user of its own", {"fsGroup": 1001}, {}, User(1001, 0), 1001),
    ("the namespace gives a random user", {}, {"runAsNonRoot": True}, User(1000660000, 0), 1000660000),
    ("the pod names the user", {"runAsUser": 70, "runAsGroup": 70, "fsGroup": 70}, {}, User(999, 999), 70),
    ("the container names another than the pod", {"runAsUser": 70}, {"runAsUser": 26}, User(999, 999), 26),
    ("the pod says root, the image steps down", {"runAsUser": 0}, {}, User(999, 999), 999),
    ("the container says root", {"runAsUser": 70}, {"runAsUser": 0}, User(999, 999), 999),
]


@pytest.mark.parametrize(
    ("pod", "container", "owner", "reader"), [case[1:] for case in _USERS], ids=[case[0] for case in _USERS]
)
def test_a_passfile_belongs_to_the_user_of_the_servers_processes(
    pod: dict[str, Any], container: dict[str, Any], owner: User, reader: int
) -> None:
    server = {"name": "db", "image": "postgres:17", "securityContext": container}
    spec = {"securityContext": pod, "containers": [server]}
    init = with_passfile(spec, "db", SOURCE, owner)["initContainers"][0]
    assert effective_uid(spec, init) == reader
    assert init["securityContext"]["runAsNonRoot"] is True
    assert init["securityContext"]["allowPrivilegeEscalation"] is False


def test_a_passfile_that_another_user_makes_is_made_anew() -> None:
    server = {"name": "db", "image": "postgres:17"}
    patch = with_passfile({"containers": [server]}, "db", SOURCE, User(999, 999))
    init = dict(patch["initContainers"][0])
    del init["securityContext"]
    mounted = server | {"volumeMounts": [{"name": "pgnb-passfile", "mountPath": PASSFILE_DIRECTORY}]}
    spec = {"initContainers": [init], "containers": [mounted]}
    workload = Workload.of(
        {"kind": "Deployment", "metadata": {"name": "standby"}, "spec": {"template": {"spec": spec}}}
    )
    assert not logs_in(workload, "db", SOURCE, User(999, 999))
    assert with_passfile(spec, "db", SOURCE, User(999, 999)) == patch


def test_a_passfile_of_the_operators_own_is_left_alone() -> None:
    mount = {"name": "mine", "mountPath": PASSFILE_DIRECTORY}
    spec = {"containers": [{"name": "db", "image": "postgres:17", "volumeMounts": [mount]}]}
    assert with_passfile(spec, "db", SOURCE, OWNER) == {}


def test_a_workload_without_a_passfile_gets_one_and_nothing_else() -> None:
    spec = {"containers": [{"name": "db", "image": "postgres:17"}, {"name": "exporter", "image": "x"}]}
    patch = with_passfile(spec, "db", SOURCE, OWNER)
    assert [c["name"] for c in patch["containers"]] == ["db"]
    assert set(patch["containers"][0]) == {"name", "volumeMounts"}
    reference = patch["initContainers"][0]["env"][0]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "replication", "key": "password"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Deployment\nmetadata: {name: other}\nspec: {}", "called standby"),
        ("kind: ConfigMap\nmetadata: {name: standby}", "exactly one Deployment or StatefulSet"),
        ("kind: Deployment\nmetadata: {name: standby}", "with a spec"),
        ("kind: [", "cannot be read"),
        ("name: {{ storage }}", "cannot be read"),
        ("name: {{ name", "cannot be read"),
    ],
)
def test_a_file_that_is_no_standby_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ParameterError, match=message):
        _workload_of(rendered(str(file), "standby.yaml", VALUES), "standby", str(file))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="does not exist") as refused:
        rendered(str(tmp_path / "nowhere.yaml"), "standby.yaml", VALUES)
    assert "Copy pgnb/manifests/standby.yaml" in str(refused.value)


def test_plain_yaml_is_a_template_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump_all(standby().values()))
    assert {m["kind"] for m in rendered(str(file), "standby.yaml", VALUES)} == set(standby())
