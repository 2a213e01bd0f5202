"""Names in hosts files, and where a Service's port leads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.node.hosts import HostsFile, Name, names
from pgnb_rehearsal.node.services import Address, routes


@pytest.fixture
def store() -> Store:
    store = Store()
    store.create("namespaces", {"metadata": {"name": "ns"}})
    return store


def _service(store: Store, service: str, address: str, **port: Any) -> None:
    ports = [{"port": 5432, "protocol": "TCP"} | port]
    spec = {"clusterIP": address, "clusterIPs": [address], "ports": ports, "selector": {"app": service}}
    store.create("services", {"metadata": {"namespace": "ns", "name": service}, "spec": spec})


def _slice(store: Store, service: str, *endpoints: dict[str, Any], port: int = 5432, name: str = "") -> None:
    metadata = {"namespace": "ns", "name": f"{service}-x", "labels": {"kubernetes.io/service-name": service}}
    ports = [{"name": name, "port": port, "protocol": "TCP"}]
    body = {"metadata": metadata, "addressType": "IPv4", "endpoints": list(endpoints), "ports": ports}
    store.create("endpointslices", body)


def _endpoint(ip: str, hostname: str = "", **conditions: bool) -> dict[str, Any]:
    conditions = {"ready": True, "serving": True, "terminating": False} | conditions
    return {"addresses": [ip], "conditions": conditions} | ({"hostname": hostname} if hostname else {})


def test_a_port_leads_to_the_ready_endpoints(store: Store) -> None:
    _service(store, "db", "10.96.0.5")
    ready, not_ready = _endpoint("10.244.0.2"), _endpoint("10.244.0.3", ready=False, serving=False)
    _slice(store, "db", ready, not_ready, port=6543)
    assert routes(store) == {Address("10.96.0.5", 5432): (Address("10.244.0.2", 6543),)}


def test_without_a_ready_one_to_those_that_end_but_serve(store: Store) -> None:
    _service(store, "db", "10.96.0.5")
    _slice(store, "db", _endpoint("10.244.0.2", ready=False, serving=True, terminating=True))
    assert routes(store)[Address("10.96.0.5", 5432)] == (Address("10.244.0.2", 5432),)


def test_ports_are_told_apart_by_name(store: Store) -> None:
    _service(store, "db", "10.96.0.5", name="pg")
    _slice(store, "db", _endpoint("10.244.0.2"), name="metrics")
    assert routes(store) == {}


def test_nothing_is_listened_on_without_an_endpoint_or_an_address(store: Store) -> None:
    _service(store, "db", "10.96.0.5")
    _service(store, "headless", "None")
    _slice(store, "headless", _endpoint("10.244.0.2"))
    assert routes(store) == {}


def test_names(store: Store) -> None:
    _service(store, "db", "10.96.0.5")
    _service(store, "peers", "None")
    _slice(store, "peers", _endpoint("10.244.0.2", "peer-0"), _endpoint("10.244.0.3", ready=False))
    assert names(store) == [
        Name("10.96.0.5", ("db",), "ns"),
        Name("10.244.0.2", ("peers",), "ns"),
        Name("10.244.0.2", ("peer-0", "peers"), "ns"),
    ]


def test_short_names_are_for_the_own_namespace() -> None:
    name = Name("10.96.0.5", ("db",), "ns")
    assert name.line("ns") == "10.96.0.5\tdb.ns.svc.cluster.local db.ns.svc db.ns db\n"
    assert name.line("other") == "10.96.0.5\tdb.ns.svc.cluster.local db.ns.svc db.ns\n"


def test_a_hosts_file_is_rewritten_in_place(tmp_path: Path) -> None:
    spec = {
        "hostname": "peer-0",
        "subdomain": "peers",
        "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["x", "y"]}],
    }
    hosts = HostsFile(tmp_path / "hosts", {"metadata": {"name": "p", "namespace": "ns"}, "spec": spec})
    inode = (tmp_path / "hosts").stat().st_ino
    hosts.set_address("10.244.0.2")
    hosts.set_names([Name("10.96.0.5", ("db",), "ns")])
    lines = (tmp_path / "hosts").read_text().splitlines()
    assert lines[-3:] == [
        "10.244.0.2\tpeer-0.peers.ns.svc.cluster.local\tpeer-0",
        "1.2.3.4\tx y",
        "10.96.0.5\tdb.ns.svc.cluster.local db.ns.svc db.ns db",
    ]
    hosts.set_names([])
    assert (tmp_path / "hosts").read_text().splitlines() == lines[:-1]
    assert (tmp_path / "hosts").stat().st_ino == inode
