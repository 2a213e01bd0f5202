"""Services: names, addresses, and where connections go."""

from __future__ import annotations

import subprocess
import threading

import pytest

from tests.integration.node.conftest import SLEEP, Pods

SERVER = {
    "env": [{"name": "POSTGRES_PASSWORD", "value": "x"}],
    "ports": [{"containerPort": 5432}],
    "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1},
}
URL = "postgresql://postgres:x@db:5432/postgres?connect_timeout=3"


@pytest.fixture(scope="module")
def both(shared: Pods) -> Pods:
    """Two servers, a client, and a Service `db`."""
    pods = shared
    pods.create("services", "db", spec={"ports": [{"port": 5432}], "selector": {"app": "one"}})
    for name in ("one", "two"):
        pods.run(name, SERVER, wait="")
    pods.run("client", SLEEP)
    for name in ("one", "two"):
        pods.until(lambda name=name: pods.condition(name, "Ready") == "True", f"{name} Ready")
    return pods


@pytest.fixture
def servers(both: Pods) -> Pods:
    """The servers, with the Service leading to the first."""
    _select(both, "one")
    both.until(lambda: _target(both) == _address(both, "one"), "the Service to lead to the first")
    return both


def _address(pods: Pods, name: str) -> str:
    return str(pods.get(name)["status"]["podIP"])


def _target(pods: Pods) -> str:
    ended = pods.kubectl(
        "exec", "-n", pods.namespace, "client", "--", "psql", URL, "-Atc", "select host(inet_server_addr())"
    )
    return ended.stdout.strip() or ended.stderr.strip()


def _select(pods: Pods, app: str) -> None:
    status, answer = pods.api.request(
        "PATCH",
        pods.path("services/db"),
        {"spec": {"selector": {"app": app}}},
        content_type="application/merge-patch+json",
    )
    assert status == 200, answer


def test_a_switched_selector_moves_new_connections_and_leaves_open_ones(servers: Pods) -> None:
    query = "select host(inet_server_addr());"
    command = ["exec", "-i", "-n", servers.namespace, "client", "--", "psql", URL, "-At"]
    answers: list[subprocess.CompletedProcess[str]] = []
    stay_open = "\\! touch /tmp/open; until test -e /tmp/go-on; do sleep 0.05; done"
    script = f"{query}\n{stay_open}\n{query}\n"
    session = threading.Thread(target=lambda: answers.append(servers.kubectl(*command, stdin=script)))
    session.start()
    servers.until(lambda: "open" in servers.exec("client", "ls", "/tmp"), "an open session")
    _select(servers, "two")
    servers.until(lambda: _target(servers) == _address(servers, "two"), "new connections to the other")
    servers.exec("client", "touch", "/tmp/go-on")
    session.join()
    one = _address(servers, "one")
    assert answers[0].stdout.split() == [one, one], answers[0].stderr


def test_without_a_ready_endpoint_connections_are_refused(servers: Pods) -> None:
    _select(servers, "nobody")
    servers.until(lambda: "Connection refused" in _target(servers), "a refusal", lambda: _target(servers))
    _select(servers, "one")
    servers.until(lambda: _target(servers) == _address(servers, "one"), "the first server again")


def test_the_server_sees_its_clients_address(servers: Pods) -> None:
    shown = servers.exec("client", "psql", URL, "-Atc", "select host(inet_client_addr())").strip()
    assert shown == _address(servers, "client")


@pytest.mark.parametrize("form", ["db", "db.{}", "db.{}.svc", "db.{}.svc.cluster.local"])
def test_a_service_by_its_names(pods: Pods, form: str) -> None:
    pods.create("services", "db", spec={"ports": [{"port": 5432}], "selector": {"app": "x"}})
    pods.run("client", SLEEP)
    address = pods.api.get(pods.path("services/db"))["spec"]["clusterIP"]
    name = form.format(pods.namespace)
    assert pods.exec("client", "getent", "hosts", name).split()[0] == address


def test_headless_names_follow_the_pods(pods: Pods) -> None:
    ports = [{"port": 5432}]
    pods.create("services", "peers", spec={"clusterIP": "None", "ports": ports, "selector": {"app": "peer"}})
    pods.run("client", SLEEP)
    missing = pods.kubectl("exec", "-n", pods.namespace, "client", "--", "getent", "hosts", "peers")
    assert missing.returncode == 2
    peer = pods.run("peer", SLEEP, hostname="peer-0", subdomain="peers")

    def known(name: str) -> bool:
        ended = pods.kubectl("exec", "-n", pods.namespace, "client", "--", "getent", "hosts", name)
        return ended.stdout.split()[:1] == [peer["status"]["podIP"]]

    pods.until(lambda: known("peers"), "the Service's name")
    pods.until(lambda: known("peer-0.peers"), "the pod's name")
    assert pods.exec("peer", "hostname", "-f").strip().startswith("peer-0")
    pods.delete("peer")
    pods.until(lambda: not known("peers"), "the name gone")
