"""Volumes as containers see them."""

from __future__ import annotations

import json
import time

from tests.conftest import VOLUME_DELAY
from tests.integration.node.conftest import SLEEP, Pods


def _patched(pods: Pods, kind: str, name: str, data: dict[str, str]) -> None:
    status, answer = pods.api.request(
        "PATCH", pods.path(f"{kind}/{name}"), {"data": data}, content_type="application/merge-patch+json"
    )
    assert status == 200, answer


def test_a_configmap_follows_its_object_late_and_never_below_a_subpath(pods: Pods) -> None:
    pods.create("configmaps", "conf", data={"a.conf": "one", "b.conf": "kept"})
    mounts = [
        {"name": "conf", "mountPath": "/conf"},
        {"name": "conf", "mountPath": "/single/a.conf", "subPath": "a.conf"},
    ]
    pods.run("p", SLEEP | {"volumeMounts": mounts}, volumes=[{"name": "conf", "configMap": {"name": "conf"}}])
    assert pods.exec("p", "cat", "/conf/a.conf", "/single/a.conf") == "oneone"
    began = time.time()
    _patched(pods, "configmaps", "conf", {"a.conf": "two", "b.conf": "kept", "c.conf": "new"})
    pods.until(lambda: pods.exec("p", "cat", "/conf/a.conf") == "two", "the new text")
    shown = float(pods.exec("p", "stat", "-c", "%.9Y", "/conf/..data"))
    assert shown - began >= VOLUME_DELAY, "not before its time, by the machine's own clock"
    assert pods.exec("p", "ls", "/conf").split() == ["a.conf", "b.conf", "c.conf"]
    assert pods.exec("p", "cat", "/single/a.conf") == "one"
    assert "..data" in pods.exec("p", "ls", "-a", "/conf")


def test_an_optional_configmap_may_come_later(pods: Pods) -> None:
    volume = {"name": "conf", "configMap": {"name": "later", "optional": True}}
    pods.run("p", SLEEP | {"volumeMounts": [{"name": "conf", "mountPath": "/conf"}]}, volumes=[volume])
    assert pods.exec("p", "ls", "/conf") == ""
    pods.create("configmaps", "later", data={"x": "there"})
    pods.until(lambda: pods.exec("p", "ls", "/conf").split() == ["x"], "the file")


def test_a_volume_that_is_missing_is_waited_for(pods: Pods) -> None:
    volume = {"name": "conf", "configMap": {"name": "later"}}
    mount = {"volumeMounts": [{"name": "conf", "mountPath": "/conf"}]}
    pods.run("p", SLEEP | mount, volumes=[volume], wait="")
    pods.until(lambda: "FailedMount" in pods.reasons("p"), "FailedMount")
    assert pods.status("p")["state"] == {"waiting": {"reason": "ContainerCreating"}}
    pods.create("configmaps", "later", data={"x": "there"})
    pods.until(lambda: pods.condition("p", "Ready") == "True", "Ready")


def test_a_claim_that_two_volumes_name_is_mounted_once_and_waited_for_in_vain(pods: Pods) -> None:
    """As kubernetes/kubernetes#82526 and #132921 tell; with one volume for both mounts it starts."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    pods.create("persistentvolumeclaims", "one", spec=spec)
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": "one"}} for name in ("a", "b")]
    mounts = [{"name": name, "mountPath": f"/{name}", "subPath": name} for name in ("a", "b")]
    pods.run("twice", SLEEP | {"volumeMounts": mounts}, volumes=volumes, wait="")
    pods.run(
        "once", SLEEP | {"volumeMounts": [mount | {"name": "a"} for mount in mounts]}, volumes=volumes[:1]
    )
    pods.until(lambda: "FailedMount" in pods.reasons("twice"), "FailedMount")
    assert pods.status("twice")["state"] == {"waiting": {"reason": "ContainerCreating"}}
    events = pods.api.get(pods.path("events?fieldSelector=reason%3DFailedMount"))["items"]
    assert "unmounted volumes=[b]" in json.dumps(events)


def test_a_secret_can_not_be_a_passfile(pods: Pods) -> None:
    """With fsGroup the file is 0640, which libpq refuses; without, it is root's and can't be read."""
    pods.create("secrets", "pass", stringData={"pgpass": "*:*:*:*:word"})
    volume = {"name": "pass", "secret": {"secretName": "pass", "defaultMode": 0o600}}
    mount = SLEEP | {"volumeMounts": [{"name": "pass", "mountPath": "/pass"}]}
    pods.run("grouped", mount, volumes=[volume], securityContext={"fsGroup": 999})
    assert pods.exec("grouped", "stat", "-Lc", "%a", "/pass/pgpass").strip() == "640"
    assert pods.exec("grouped", "cat", "/pass/pgpass") == "*:*:*:*:word"
    pods.run("plain", mount, volumes=[volume])
    ended = pods.kubectl("exec", "-n", pods.namespace, "plain", "--", "cat", "/pass/pgpass")
    assert "Permission denied" in ended.stderr


def test_what_a_projected_volume_gathers(pods: Pods) -> None:
    pods.create("configmaps", "conf", data={"a": "from a ConfigMap"})
    pods.create("secrets", "word", stringData={"b": "from a Secret"})
    sources = [
        {"configMap": {"name": "conf", "items": [{"key": "a", "path": "deep/a"}]}},
        {"secret": {"name": "word"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
    ]
    mount = SLEEP | {"volumeMounts": [{"name": "all", "mountPath": "/all"}]}
    pods.run("p", mount, volumes=[{"name": "all", "projected": {"sources": sources}}])
    assert pods.exec("p", "cat", "/all/deep/a", "/all/b") == "from a ConfigMapfrom a Secret"
    assert pods.exec("p", "cat", "/all/labels") == 'app="p"'
    token = pods.exec("p", "cat", "/all/token")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status, answer = pods.api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    if status == 201:
        assert answer["status"]["user"]["username"] == f"system:serviceaccount:{pods.namespace}:default"
    assert token.count(".") == 2


def test_an_empty_directory_is_shared_and_outlives_a_restart(pods: Pods) -> None:
    mount = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
    writes = {"command": ["sh", "-c", "date >> /scratch/runs; touch /tmp/own; exec sleep 1000"]}
    pods.run("p", writes | mount, SLEEP | mount, volumes=[{"name": "scratch", "emptyDir": {}}])
    assert pods.exec("p", "touch", "/scratch/mine", container="c1") == ""
    pods.exec("p", "touch", "/tmp/lost")
    pods.exec("p", "sh", "-c", "kill -9 1 || true", container="c0")
    shown = pods.exec("p", "ls", "/scratch", container="c1").split()
    assert shown == ["mine", "runs"]


def test_a_read_only_volume(pods: Pods) -> None:
    pods.create("configmaps", "conf", data={"a": "1"})
    mount = SLEEP | {"volumeMounts": [{"name": "conf", "mountPath": "/conf"}]}
    pods.run("p", mount, volumes=[{"name": "conf", "configMap": {"name": "conf"}}])
    ended = pods.kubectl("exec", "-n", pods.namespace, "p", "--", "touch", "/conf/x")
    assert "Read-only file system" in ended.stderr


def test_secrets_do_not_reach_the_disk(pods: Pods) -> None:
    pods.create("secrets", "word", stringData={"b": "s"})
    mount = SLEEP | {"volumeMounts": [{"name": "word", "mountPath": "/word"}]}
    pods.run("p", mount, volumes=[{"name": "word", "secret": {"secretName": "word"}}])
    assert pods.exec("p", "stat", "-f", "-Lc", "%T", "/word").strip() == "tmpfs"


def test_a_host_path_is_refused(pods: Pods) -> None:
    mount = SLEEP | {"volumeMounts": [{"name": "h", "mountPath": "/h"}]}
    pods.run("p", mount, volumes=[{"name": "h", "hostPath": {"path": "/etc"}}], wait="")
    pods.until(lambda: "FailedMount" in pods.reasons("p"), "FailedMount")
    events = pods.api.get(pods.path("events?fieldSelector=reason%3DFailedMount"))["items"]
    assert "volumes of type hostPath are not offered" in json.dumps(events)
