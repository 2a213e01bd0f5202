"""The clients that people use: kubectl and the official Python client, on the API as it is served."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import kubernetes
import pytest
import yaml

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {a: 'VALUE'}\n"
WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: db, image: 'postgres:17', env: [{name: A, value: 'VALUE'}]}]}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def namespace(run: Run) -> Iterator[str]:
    """A new namespace, made by kubectl."""
    name = f"clients-{uuid.uuid4().hex[:8]}"
    assert run("create", "namespace", name).returncode == 0
    yield name
    run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def run(kubectl_path: str, api_kubeconfig: Path) -> Run:
    """`run("get", "pods")`: kubectl, its exit status unchecked."""

    def call(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [kubectl_path, "--kubeconfig", str(api_kubeconfig), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    return call


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("how", [(), ("--server-side",)])
def test_apply_creates_changes_and_leaves_alone(run: Run, namespace: str, how: tuple[str, ...]) -> None:
    def apply(value: str) -> str:
        manifests = "---\n".join([CONFIG, WORKLOAD]).replace("VALUE", value)
        return done(run("apply", "-n", namespace, "-f", "-", *how, stdin=manifests))

    apply("1")
    first = json.loads(done(run("get", "deploy/web", "-n", namespace, "-o", "json")))
    apply("1")
    again = json.loads(done(run("get", "deploy/web", "-n", namespace, "-o", "json")))
    assert again["metadata"]["generation"] == first["metadata"]["generation"]
    apply("2")
    env = "jsonpath={.spec.template.spec.containers[0].env[0].value}"
    assert done(run("get", "deploy/web", "-n", namespace, "-o", env)) == "2"


def test_apply_refuses_a_misspelt_field(run: Run, namespace: str) -> None:
    misspelt = CONFIG.replace("\ndata:", "\ndada:")
    result = run("apply", "-n", namespace, "-f", "-", stdin=misspelt)
    assert result.returncode == 1
    assert 'unknown field "dada"' in result.stderr


def test_diff_and_dry_run_change_nothing(run: Run, namespace: str) -> None:
    done(run("apply", "-n", namespace, "-f", "-", stdin=CONFIG))
    before = done(run("get", "cm/config", "-n", namespace, "-o", "json"))
    changed = CONFIG.replace("VALUE", "other")
    assert run("diff", "-n", namespace, "-f", "-", stdin=changed).returncode == 1
    done(run("apply", "-n", namespace, "--dry-run=server", "-f", "-", stdin=changed))
    assert done(run("get", "cm/config", "-n", namespace, "-o", "json")) == before


CREATED = [
    ("configmap", "--from-literal=a=b"),
    ("secret", "generic", "--from-literal=a=b"),
    ("serviceaccount",),
    ("role", "--verb=get,list", "--resource=pods"),
    ("rolebinding", "--clusterrole=view", "--user=ann"),
    ("deployment", "--image=postgres:17", "--replicas=0"),
    ("service", "clusterip", "--tcp=5432:5432"),
    ("quota", "--hard=cpu=1500m,pods=3"),
    ("job", "--image=postgres:17"),
    ("cronjob", "--image=postgres:17", "--schedule=0 3 * * *"),
]


@pytest.mark.parametrize("words", CREATED, ids=[words[0] for words in CREATED])
def test_create_get_and_delete(run: Run, namespace: str, words: tuple[str, ...]) -> None:
    """kubectl sends these as protobuf."""
    kind, *more = words
    flags = [word for word in more if word.startswith("-")]
    verbs = [word for word in more if not word.startswith("-")]
    done(run("create", kind, *verbs, "thing", "-n", namespace, *flags))
    listed = done(run("get", kind, "-n", namespace))
    assert "thing" in listed
    assert "NAME" in listed
    done(run("delete", kind, "thing", "-n", namespace))
    gone = run("get", kind, "thing", "-n", namespace)
    assert gone.returncode == 1
    assert "NotFound" in gone.stderr


def test_a_job_is_made_of_a_cron_job(run: Run, namespace: str) -> None:
    """`kubectl create job --from`: now instead of at its time."""
    on = ("-n", namespace)
    done(run("create", "cronjob", "nightly", "--image=postgres:17", "--schedule=@daily", *on, "--", "true"))
    done(run("create", "job", "now", "--from=cronjob/nightly", *on))
    job = json.loads(done(run("get", "job/now", *on, "-o", "json")))
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("CronJob", "nightly")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["command"]) == ("postgres:17", ["true"])
    done(run("patch", "cronjob/nightly", *on, "-p", '{"spec":{"suspend":true}}'))
    row = done(run("get", "cj", *on)).splitlines()[1].split()
    assert row[:5] == ["nightly", "@daily", "<none>", "True", "0"]


def test_rights_are_shown_and_tokens_made(run: Run, namespace: str) -> None:
    done(run("create", "serviceaccount", "operator", "-n", namespace))
    binding = ("create", "rolebinding", "viewer", "--clusterrole=view", "-n", namespace)
    done(run(*binding, f"--serviceaccount={namespace}:operator"))
    account = f"--as=system:serviceaccount:{namespace}:operator"
    assert done(run("auth", "can-i", "list", "pods", "-n", namespace, account)).strip() == "yes"
    refused = run("auth", "can-i", "delete", "pods", "-n", namespace, account)
    assert (refused.returncode, refused.stdout.strip()) == (1, "no")
    forbidden = run("get", "secrets", "-n", namespace, account)
    assert "Forbidden" in forbidden.stderr
    assert done(run("create", "token", "operator", "-n", namespace)).count(".") == 2


def test_scale_patch_and_restart(run: Run, namespace: str) -> None:
    done(run("apply", "-n", namespace, "-f", "-", stdin=WORKLOAD))
    on = ("-n", namespace)
    done(run("rollout", "restart", "deploy/web", *on))
    done(run("set", "image", "deploy/web", "db=postgres:18", *on))
    refused = run("patch", "deploy/web", *on, "-p", '{"spec":{"strategy":{"type":"Recreate"}}}')
    assert "may not be specified when strategy `type` is 'Recreate'" in refused.stderr
    whole = '{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}'
    done(run("patch", "deploy/web", *on, "-p", whole))
    done(run("label", "deploy/web", "a=b", *on))
    deployment = json.loads(done(run("get", "deploy/web", *on, "-o", "json")))
    template = deployment["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]
    assert template["spec"]["containers"][0]["image"] == "postgres:18"
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment["metadata"]["labels"]["a"] == "b"
    done(run("scale", "deploy/web", "--replicas=2", "--current-replicas=0", *on))
    assert done(run("get", "deploy/web", *on, "-o", "jsonpath={.spec.replicas}")) == "2"


def test_wait_sees_the_end(run: Run, namespace: str) -> None:
    done(run("apply", "-n", namespace, "-f", "-", stdin=CONFIG))
    deletion = threading.Timer(0.5, run, ("delete", "cm/config", "-n", namespace))
    deletion.start()
    done(run("wait", "--for=delete", "cm/config", "-n", namespace, "--timeout=20s"))
    deletion.join()


def test_types_are_explained(run: Run) -> None:
    explained = done(run("explain", "deployment.spec.strategy"))
    assert "DeploymentStrategy" in explained
    assert "rollingUpdate" in explained


def test_the_python_client_reads_writes_and_watches(api_kubeconfig: Path, namespace: str) -> None:
    client = kubernetes.config.new_client_from_config(str(api_kubeconfig))
    core = kubernetes.client.CoreV1Api(client)
    body = yaml.safe_load(CONFIG)
    created = core.create_namespaced_config_map(namespace, body)
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.create_namespaced_config_map(namespace, body)
    assert (refused.value.status, json.loads(refused.value.body)["reason"]) == (409, "AlreadyExists")

    def change() -> None:
        core.patch_namespaced_config_map("config", namespace, {"data": {"a": "2"}})
        core.delete_namespaced_config_map("config", namespace)

    later = threading.Timer(0.2, change)
    later.start()
    events = []
    watch = kubernetes.watch.Watch()
    version = created.metadata.resource_version
    call = core.list_namespaced_config_map
    for event in watch.stream(call, namespace, resource_version=version, timeout_seconds=20):
        events.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            watch.stop()
    later.join()
    assert [event for event in events if event[1] == "config"] == [
        ("MODIFIED", "config"),
        ("DELETED", "config"),
    ]
