"""Containers: environment, order, probes, restarts, ends."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.integration.node.conftest import SLEEP, Follow, Pods


@pytest.fixture(scope="module", autouse=True)
def early(shared: Pods) -> Pods:
    """Pods that need their time, begun before the first test."""
    writes = {"command": ["sh", "-c", "date +%s.%N >> /d/runs; echo run; exit 3"]}
    mount = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    volumes = [{"name": "d", "emptyDir": {}}]
    shared.run("crashing", writes | mount, SLEEP | mount, volumes=volumes, wait="")
    shared.run("imageless", SLEEP | {"image": "nginx:1"}, wait="")
    return shared


def test_the_environment(pods: Pods) -> None:
    pods.create("configmaps", "conf", data={"COLOUR": "blue", "SIZE": "9"})
    pods.create("secrets", "word", stringData={"password": "s3cret"})
    pods.create(
        "services", "db-main", spec={"ports": [{"port": 5432, "name": "pg"}], "selector": {"app": "x"}}
    )
    env = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "word", "key": "password"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "no", "optional": True}}},
        {"name": "URL", "value": "postgres://u:$(PASSWORD)@$(DB_MAIN_SERVICE_HOST)/$(UNKNOWN)$$(URL)"},
        {"name": "MY_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    container = {
        "command": ["sh", "-c", "exec sleep $(SECONDS)"],
        "env": [*env, {"name": "SECONDS", "value": "1000"}],
        "envFrom": [{"configMapRef": {"name": "conf"}, "prefix": "C_"}],
        "resources": {"limits": {"memory": "64Mi"}},
        "workingDir": "/tmp/work",
    }
    pod = pods.run("p", container)
    shown = dict(line.split("=", 1) for line in pods.exec("p", "env").splitlines())
    address = pods.api.get(pods.path("services/db-main"))["spec"]["clusterIP"]
    assert shown["URL"] == f"postgres://u:s3cret@{address}/$(UNKNOWN)$(URL)"
    assert shown["MY_IP"] == pod["status"]["podIP"]
    assert (shown["APP"], shown["MEM"], shown["C_COLOUR"], shown["C_SIZE"]) == ("p", "64", "blue", "9")
    assert shown["DB_MAIN_PORT_5432_TCP_PORT"] == shown["DB_MAIN_SERVICE_PORT_PG"] == "5432"
    assert "NONE" not in shown
    assert pods.exec("p", "pwd").strip() == "/tmp/work"
    assert pods.exec("p", "cat", "/proc/1/cmdline") == "sleep\x001000\x00"


def test_init_containers_then_sidecars_then_the_rest(pods: Pods) -> None:
    mount = {"volumeMounts": [{"name": "log", "mountPath": "/log"}]}

    def says(word: str, then: str = "") -> dict[str, object]:
        return {"name": word, "command": ["sh", "-c", f"echo {word} >> /log/order; {then}"]} | mount

    on_term = "trap 'echo bye >> /log/order; exit 0' TERM; while :; do sleep 0.05; done"
    sidecar = says("side", on_term) | {
        "restartPolicy": "Always",
        "lifecycle": {"stopSignal": "SIGTERM"},
        "startupProbe": {"exec": {"command": ["grep", "-q", "side", "/log/order"]}, "periodSeconds": 1},
    }
    pod = pods.run(
        "p",
        says("main", "sleep 0.3; cat /log/order"),
        initContainers=[says("first"), sidecar, says("second")],
        volumes=[{"name": "log", "emptyDir": {}}],
        restartPolicy="Never",
        wait="Initialized",
    )
    assert [one["name"] for one in pod["status"]["initContainerStatuses"]] == ["first", "side", "second"]
    pods.until(lambda: pods.phase("p") == "Succeeded", "Succeeded", lambda: pods.get("p")["status"])
    assert pods.logs("p", "-c", "main").split() == ["first", "side", "second", "main"]
    ended = pods.status("p", "side", "initContainerStatuses")["state"]["terminated"]
    assert ended["exitCode"] == 0


def test_a_port_makes_a_container_ready(pods: Pods) -> None:
    probe = {"tcpSocket": {"port": "pg"}, "periodSeconds": 1}
    server = {
        "env": [{"name": "POSTGRES_PASSWORD", "value": "x"}],
        "ports": [{"name": "pg", "containerPort": 5432}],
        "readinessProbe": probe,
    }
    pod = pods.run("p", server)
    assert pod["status"]["containerStatuses"][0]["ready"]


def test_ready_goes_with_the_probe(pods: Pods) -> None:
    probe = {
        "exec": {"command": ["test", "-e", "/tmp/ready"]},
        "periodSeconds": 1,
        "failureThreshold": 1,
        "successThreshold": 1,
    }
    pods.run("p", SLEEP | {"readinessProbe": probe}, wait="")
    pods.until(lambda: bool(pods.status("p")["state"].get("running")), "running")
    assert pods.condition("p", "Ready") == "False"
    pods.exec("p", "touch", "/tmp/ready")
    pods.until(lambda: pods.condition("p", "Ready") == "True", "Ready")
    pods.exec("p", "rm", "/tmp/ready")
    pods.until(lambda: pods.condition("p", "Ready") == "False", "not Ready")
    assert pods.status("p")["restartCount"] == 0


def test_a_probe_that_takes_too_long_has_failed(pods: Pods) -> None:
    probe = {"exec": {"command": ["sleep", "30"]}, "periodSeconds": 1, "timeoutSeconds": 1}
    pods.run("p", SLEEP | {"readinessProbe": probe}, wait="")
    pods.until(lambda: "Unhealthy" in pods.reasons("p"), "Unhealthy")
    text = str(pods.api.get(pods.path("events?fieldSelector=reason%3DUnhealthy"))["items"])
    assert "timed out after 1s" in text
    leftovers = pods.exec("p", "sh", "-c", "grep -lz '^30$' /proc/[0-9]*/cmdline | wc -l")
    assert int(leftovers) <= 1


def test_the_last_words_of_a_container(pods: Pods) -> None:
    says = {"command": ["sh", "-c", "echo why > /dev/termination-log; exit 4"]}
    falls_back = {
        "command": ["sh", "-c", "echo from the log; exit 5"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pods.run("p", says, falls_back, restartPolicy="Never", wait="")
    pods.until(lambda: pods.phase("p") == "Failed", "Failed")
    messages = [pods.status("p", name)["state"]["terminated"]["message"] for name in ("c0", "c1")]
    assert messages == ["why\n", "from the log\n"]


def test_on_failure_only_failures_are_repeated(pods: Pods) -> None:
    once = {"command": ["sh", "-c", "test -e /d/x && exit 0; touch /d/x; exit 1"]}
    mount = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    volumes = [{"name": "d", "emptyDir": {}}]
    pods.run("p", once | mount, restartPolicy="OnFailure", volumes=volumes, wait="")
    pods.until(lambda: pods.phase("p") == "Succeeded", "Succeeded")
    assert pods.status("p")["restartCount"] == 1


def test_a_signal_that_is_ignored_is_followed_by_sigkill(pods: Pods, followed: Follow) -> None:
    deaf = "trap 'echo signal' INT TERM; while :; do sleep 0.1; echo alive; done"
    pods.run("p", {"command": ["sh", "-c", deaf]}, terminationGracePeriodSeconds=3)
    with followed() as log:
        assert log.readline() == "alive\n"
        pods.delete("p")
        assert pods.get("p")["metadata"]["deletionGracePeriodSeconds"] == 3
        said = log.read().split()
    # Killed by what it can't ignore, and not before it had time to end by itself.
    assert "alive" in said[said.index("signal") + 1 :]
    pods.until(lambda: pods.gone("p"), "gone")


def test_pre_stop_runs_before_the_signal(pods: Pods, followed: Follow) -> None:
    script = "trap 'echo signal; exit 0' INT TERM; echo ready; while :; do sleep 0.05; done"
    hook = ["sh", "-c", "echo hook > /proc/1/fd/1; sleep 0.3"]
    container = {"command": ["sh", "-c", script], "lifecycle": {"preStop": {"exec": {"command": hook}}}}
    pods.run("p", container, terminationGracePeriodSeconds=600)  # More than this test waits for anything.
    with followed() as log:
        assert log.readline() == "ready\n"
        pods.delete("p")
        assert log.read().split() == ["hook", "signal"]
    pods.until(lambda: pods.gone("p"), "gone")


@pytest.mark.long
def test_a_pod_past_its_deadline(pods: Pods) -> None:
    runs = {"command": ["sleep", "1000"]}  # As PID 1 it hears no signal but the last, whenever that comes.
    pods.run("p", runs, activeDeadlineSeconds=5, restartPolicy="Never", wait="")
    pods.until(lambda: pods.phase("p") == "Failed", "Failed")
    assert pods.get("p")["status"]["reason"] == "DeadlineExceeded"
    assert pods.status("p")["state"]["terminated"]["exitCode"] == 137


def test_deleted_by_force_it_is_gone_at_once_and_its_process_soon(pods: Pods) -> None:
    deaf = {"command": ["sh", "-c", "trap '' INT TERM; while :; do sleep 0.1; done"]}
    address = pods.run("p", deaf, terminationGracePeriodSeconds=60)["status"]["podIP"]
    pods.delete("p", gracePeriodSeconds=0)
    assert pods.gone("p")
    probe = SLEEP | {"env": [{"name": "PEER", "value": address}]}
    pods.run("other", probe)
    refused = "timeout 1 bash -c 'exec 3<>/dev/tcp/$PEER/5432' 2>&1 | grep -q 'Connection refused'"
    exec_ = ["exec", "-n", pods.namespace, "other", "--", "bash", "-c", refused]
    pods.until(lambda: pods.kubectl(*exec_).returncode != 0, "nobody at the address")


def test_users(pods: Pods) -> None:
    identity = {"command": ["sh", "-c", "id -u; id -g; exec sleep 1000"]}
    pods.run("p", identity | {"securityContext": {"runAsUser": 1234, "runAsGroup": 5678}})
    assert pods.logs("p").split() == ["1234", "5678"]
    refused = SLEEP | {"securityContext": {"runAsUser": 0, "runAsNonRoot": True}}
    pods.run("q", refused, wait="")
    pods.until(
        lambda: pods.status("q")["state"].get("waiting", {}).get("reason") != "ContainerCreating", "refused"
    )
    waiting = pods.status("q")["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert "runAsUser breaks non-root policy" in waiting["message"]


def test_a_read_only_root(pods: Pods) -> None:
    """The pod's mounts and the image's volumes can be written, and nothing else."""
    script = (
        "touch /tmp/x; touch /etc/x; touch /dev/x; touch /work/x && touch /dev/shm/x &&"
        " touch /var/lib/postgresql/data/x && echo last > /dev/termination-log && pwd"
    )
    protected = {
        "command": ["sh", "-c", script],
        "workingDir": "/made",
        "securityContext": {"readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
    }
    volumes = [{"name": "work", "emptyDir": {}}]
    pods.run("p", protected, volumes=volumes, restartPolicy="Never", wait="")
    pods.until(lambda: pods.phase("p") in ("Succeeded", "Failed"), "ended", lambda: pods.get("p")["status"])
    said = pods.logs("p")
    assert [line.split("'")[1] for line in said.splitlines() if "Read-only file system" in line] == [
        "/tmp/x",
        "/etc/x",
        "/dev/x",
    ]
    assert said.splitlines()[-1] == "/made"
    assert pods.status("p")["state"]["terminated"]["message"] == "last\n"


def test_a_server_with_a_read_only_root(pods: Pods) -> None:
    """Its data lie on the image's volume; its socket and what its entry point writes, on the pod's."""
    server = {
        "env": [{"name": "POSTGRES_PASSWORD", "value": "x"}],
        "securityContext": {"readOnlyRootFilesystem": True},
        "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "run", "mountPath": "/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    pods.run("p", server, volumes=[{"name": name, "emptyDir": {}} for name in ("run", "tmp")])
    refused = ["exec", "-n", pods.namespace, "p", "--", "touch", "/var/tmp/x"]
    assert "Read-only file system" in pods.kubectl(*refused).stderr


def test_the_log_is_followed_to_the_end(pods: Pods) -> None:
    counts = {"command": ["sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done"]}
    pods.run("p", counts, restartPolicy="Never", wait="")
    pods.until(lambda: bool(pods.status("p").get("containerID")), "started")
    assert pods.logs("p", "-f").split() == ["1", "2", "3", "4", "5"]
    assert pods.logs("p", "--tail=2").split() == ["4", "5"]
    assert pods.logs("p", "--since=1h").split() == ["1", "2", "3", "4", "5"]


@pytest.mark.long
def test_an_unknown_image(early: Pods) -> None:
    def waiting() -> dict[str, str]:
        return dict(early.status("imageless")["state"]["waiting"])

    early.until(lambda: waiting()["reason"] == "ImagePullBackOff", "ImagePullBackOff")
    assert "docker.io/library/nginx:1" in waiting()["message"]
    reasons = early.reasons("imageless")
    assert [reason for reason in reasons if reason in ("Pulling", "Failed", "BackOff")][:2] == [
        "Pulling",
        "Failed",
    ]
    assert early.phase("imageless") == "Pending"


def test_the_first_restart_is_at_once_and_the_next_after_a_pause(early: Pods) -> None:
    """The pauses' lengths are tested where they are computed."""
    early.until(lambda: early.status("crashing")["restartCount"] >= 2, "the second restart")
    times = [float(line) for line in early.exec("crashing", "cat", "/d/runs", container="c1").split()]
    first, second, *_ = (later - earlier for earlier, later in pairwise(times))
    assert first < second
    reasons = early.reasons("crashing")
    assert reasons.count("BackOff") >= 1
    assert early.logs("crashing", "-c", "c0", "--previous") == "run\n"
