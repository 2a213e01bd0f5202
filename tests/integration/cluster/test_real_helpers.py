"""Helper pods: what they do, how they fail, and that none is left."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pgnb.cluster import Cluster, HelperPod, Pod, SecretFile, connect
from pgnb.cluster.helper_spec import LABELS
from pgnb.core.errors import DeadlineExceeded, ExecFailed, ParameterError, PodError
from pgnb_rehearsal.client import Client

IMAGE = "postgres:17"
HELPERS = "app.kubernetes.io/component=helper"
KILLED = """
import os, signal, sys
from pgnb.cluster import HelperPod, connect
with connect(sys.argv[1], namespace=sys.argv[2], dry_run=False).helper(HelperPod("left", "postgres:17", ())):
    os.kill(os.getpid(), signal.SIGKILL)
"""
WORKING = """
import os, signal, sys
from pgnb.cluster import HelperPod, connect, helpers
wait = helpers.wait_started
def killed(api, name, timeout):
    if sys.argv[3] == "started":
        wait(api, name, timeout)
    os.kill(os.getpid(), signal.SIGKILL)
helpers.wait_started = killed
spec = HelperPod("work", "postgres:17", ("sleep", "3600"), work="the work",
                 placement={} if sys.argv[3] == "started" else {"nodeSelector": {"disk": "none has this"}})
connect(sys.argv[1], namespace=sys.argv[2], dry_run=False).run_helper(spec)
"""


@pytest.fixture(autouse=True)
def none_left(cluster: Cluster) -> object:
    yield
    assert cluster.list("pods", HELPERS) == []


def test_output_arrives_as_it_is_written(cluster: Cluster, pod: Pod) -> None:
    lines: list[str] = []
    script = "for i in 1 2 3; do echo line $i; sleep 0.3; done"
    result = cluster.run_helper(HelperPod("say", "", ("sh", "-c", script)).like(pod), on_log=lines.append)
    assert lines == ["line 1", "line 2", "line 3"]
    assert result.text == "line 1\nline 2\nline 3"
    assert result.exit_status == 0


RESOURCES = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}


def test_helpers_have_what_the_run_gives_to_all_of_them(cluster: Cluster, kubeconfig: Path) -> None:
    """Labels that a network policy lets in, annotations for a mesh, resources that a quota asks for."""
    labels = {"db-client": "yes", "app.kubernetes.io/component": "database"}
    given = {"labels": labels, "annotations": {"mesh/inject": "no"}, "resources": RESOURCES}
    with connect(str(kubeconfig), namespace=cluster.namespace, helper_pods=given).helper(
        HelperPod("dressed", IMAGE, (), labels={"own": "1"})
    ) as helper:
        found = cluster.get("pods", helper.pod.name)
    assert found is not None
    assert found["metadata"]["labels"].items() >= {"db-client": "yes", "own": "1", **LABELS}.items()
    assert found["metadata"]["annotations"]["mesh/inject"] == "no"
    assert found["spec"]["containers"][0]["resources"] == RESOURCES


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"labels": {"app": "postgres", "more": "x"}}, "service/postgres, deployment/postgres"),
        ({"labels": {"app": 1}}, "helper_pods cannot have labels"),
        ({"image": {}}, "helper_pods cannot have image"),
    ],
)
def test_options_that_would_do_harm_are_refused(
    cluster: Cluster, kubeconfig: Path, pod: Pod, given: dict[str, Any], words: str
) -> None:
    """A helper with a server's own labels would be an endpoint of its Service."""
    with pytest.raises(ParameterError) as refused:
        connect(str(kubeconfig), namespace=cluster.namespace, helper_pods=given)
    assert words in str(refused.value)


def test_a_status_other_than_0(cluster: Cluster) -> None:
    spec = HelperPod("fail", IMAGE, ("sh", "-c", "echo because >&2; exit 4"))
    with pytest.raises(ExecFailed, match="exit status 4") as caught:
        cluster.run_helper(spec)
    assert caught.value.found == "because"
    assert cluster.run_helper(spec, check=False).exit_status == 4


@pytest.mark.parametrize(
    ("spec", "words", "remedy"),
    [
        (HelperPod("x", "no-such-image:1", ("true",)), "ErrImagePull", "pull secret"),
        (
            HelperPod("x", IMAGE, ("true",), secret_env={"A": ("nope", "b")}),
            'secret "nope" not found',
            "Create the Secret",
        ),
        (
            HelperPod("x", IMAGE, ("true",), secret_files=(SecretFile("nope", "b", "/private/b"),)),
            'MountVolume.SetUp failed for volume "secret-0" : secret "nope" not found',
            "Create what the volume names",
        ),
    ],
    ids=["image", "environment", "volume"],
)
def test_a_pod_that_cannot_start(cluster: Cluster, spec: HelperPod, words: str, remedy: str) -> None:
    with pytest.raises(PodError, match="cannot start") as caught:
        cluster.run_helper(spec)
    assert words in caught.value.found
    assert remedy in caught.value.remedy


def test_a_stateful_set_whose_claim_a_quota_refuses_is_told_in_its_words(
    cluster: Cluster, api: Client, namespace: str, kubeconfig: Path
) -> None:
    """A StatefulSet has no condition for it: its event says so."""
    meta = {"name": "small", "namespace": namespace}
    hard = {"requests.storage": "1Gi"}
    api.create(f"/api/v1/namespaces/{namespace}/resourcequotas", {"metadata": meta, "spec": {"hard": hard}})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    template = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "postgres", "image": IMAGE, "command": ["sleep", "60"]}]},
    }
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "db"}},
        "serviceName": "db",
        "template": template,
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    here = connect(str(kubeconfig), namespace=namespace, dry_run=False)
    here.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec})
    with pytest.raises(DeadlineExceeded) as caught:
        here.scale_and_wait(here.find_workload("StatefulSet", "db"), 1, timeout=2)
    here.close()
    assert "exceeded quota: small, requested: requests.storage=2Gi" in caught.value.found
    assert "Raise the ResourceQuota" in caught.value.remedy


def test_a_program_that_is_not_in_the_image(cluster: Cluster) -> None:
    with pytest.raises((PodError, ExecFailed)) as caught:
        cluster.run_helper(HelperPod("x", IMAGE, ("/no-such-program",)))
    assert "/no-such-program" in str(caught.value)


def test_one_that_does_not_end(cluster: Cluster) -> None:
    with pytest.raises(DeadlineExceeded, match=r"within 1.0 s"):
        cluster.run_helper(HelperPod("long", IMAGE, ("sleep", "60")), timeout=1.0)


def test_an_interrupt_leaves_no_pod(cluster: Cluster) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.run_helper(HelperPod("int", IMAGE, ("sh", "-c", "echo go; sleep 60")), on_log=interrupt)


def test_what_a_killed_run_left_is_removed_by_the_next_that_applies(
    cluster: Cluster, kubeconfig: Path
) -> None:
    def connected_again(*, dry_run: bool) -> list[str]:
        connect(str(kubeconfig), namespace=cluster.namespace, dry_run=dry_run).close()
        return [pod.name for pod in cluster.pods(HELPERS)]

    with cluster.helper(HelperPod("living", IMAGE, ())) as living:
        command = [sys.executable, "-c", KILLED, str(kubeconfig), cluster.namespace]
        assert subprocess.run(command).returncode == -signal.SIGKILL
        assert len(connected_again(dry_run=True)) == 2
        assert connected_again(dry_run=False) == [living.pod.name]


@pytest.mark.parametrize("state", ["started", "unscheduled"])
def test_work_that_a_killed_run_left_goes_on_once_it_has_started(
    cluster: Cluster, kubeconfig: Path, state: str
) -> None:
    """A pod that no node takes never ends by itself, and its image or claim may have been corrected since."""
    command = [sys.executable, "-c", WORKING, str(kubeconfig), cluster.namespace, state]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    (left,) = cluster.pods(HELPERS)
    found = cluster.left_helpers("the work")
    connect(str(kubeconfig), namespace=cluster.namespace, dry_run=False).close()
    names = [pod.name for pod in cluster.pods(HELPERS)]
    assert names == [pod.name for pod in found] == ([left.name] if state == "started" else [])
    for pod in found:
        with pytest.raises(DeadlineExceeded):
            cluster.take_over(pod, timeout=0.5)


def test_a_password_as_a_file_that_libpq_takes(cluster: Cluster) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pass"}}
    cluster.apply(secret | {"stringData": {"pgpass": "*:*:*:*:abc"}})
    spec = HelperPod(
        "file",
        IMAGE,
        ("stat", "-c", "%a %u", "/private/pgpass"),
        uid=999,
        gid=999,
        fs_group=999,
        secret_files=(SecretFile("pass", "pgpass", "/private/pgpass"),),
    )
    assert cluster.run_helper(spec).text == "600 999"


def test_work_on_a_volume_whose_server_is_stopped(cluster: Cluster, pod: Pod) -> None:
    data = "/var/lib/postgresql/data"
    volume, workload = cluster.volume(pod, data), cluster.workload(pod)
    spec = HelperPod("volume", pod.image, (), claims={"/data": volume.claim}, uid=999)
    with cluster.helper(spec) as helper:
        assert helper.exec(["cat", "/data/pgdata/PG_VERSION"]).text == "17"
    cluster.scale_and_wait(workload, 0)
    with cluster.helper(spec) as helper:
        helper.exec(["tee", "/data/note"], stdin=b"kept", changes="write a note")
        state = helper.exec(["pg_controldata", "-D", "/data/pgdata"]).text
    cluster.scale_and_wait(workload, 1)
    assert "shut down" in state
    assert cluster.exec(cluster.pod(workload.selector), ["cat", f"{data}/note"]).text == "kept"
