"""Operators are recognised by what their pods bear, and nobody else is taken for one."""

from __future__ import annotations

from typing import Any

import pytest
from replaying import recorded_pod

from pgnb.cluster import Pod
from pgnb.cluster.operators import operator_of


def pod(container: dict[str, Any] | None = None, **meta: Any) -> Pod:
    found = recorded_pod()
    for key, value in meta.items():
        found["metadata"][key] = (
            value if isinstance(value, list) else {**(found["metadata"].get(key) or {}), **value}
        )
    found["spec"]["containers"][0] |= container or {}
    return Pod.of(found)


PGO, PERCONA = "postgres-operator.crunchydata.com/role", "pgv2.percona.com/version"
SPILO = "Zalando postgres-operator (Spilo, Patroni)"


def env(*names: str) -> dict[str, Any]:
    return {"env": [{"name": name, "value": "x"} for name in names]}


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (pod(labels={"cnpg.io/cluster": "a"}), "CloudNativePG"),
        (pod(labels={"k8s.enterprisedb.io/cluster": "a"}), "EDB Postgres for Kubernetes"),
        (pod(env("PATRONI_NAME"), labels={PGO: "master"}), "Crunchy PGO"),
        (pod(env("PATRONI_NAME"), labels={PERCONA: "2"}), "Percona Operator for PostgreSQL"),
        (pod(env("PATRONI_NAME"), labels={"app": "StackGresCluster"}), "StackGres"),
        (pod(labels={"app.kubernetes.io/managed-by": "kubedb.com"}), "KubeDB"),
        (pod(labels={"application": "spilo", "cluster-name": "x"}), SPILO),
        (pod({"image": "registry:5000/ghcr/spilo-17:4.0"}), SPILO),
        (pod(ownerReferences=[{"kind": "Kubegres", "name": "k", "controller": True}]), "Kubegres"),
        (pod(env("STKEEPER_UID")), "Stolon"),
        (pod(env("PG_AUTOCTL_MONITOR")), "pg_auto_failover"),
        (pod(env("POSTGRESQL_PASSWORD", "REPMGR_NODE_NAME")), "repmgr"),
        (pod(env("PATRONI_SCOPE")), "Patroni"),
        (pod({"command": ["/usr/local/bin/patroni", "/etc/patroni.yml"]}), "Patroni"),
        (pod({"readinessProbe": {"httpGet": {"path": "/patroni", "port": 8008}}}), "Patroni"),
    ],
)
def test_it_is_named_with_its_own_way(seen: Pod, name: str) -> None:
    found = operator_of(seen)
    assert found is not None
    assert found.operator.name == name
    assert "Roles:" in found.operator.own_way or "roles:" in found.operator.own_way
    assert found.summary.startswith(f"{name} (")


@pytest.mark.parametrize(
    "seen",
    [
        pod(),
        pod(
            env("POSTGRESQL_PASSWORD", "POSTGRESQL_DATABASE"),
            labels={"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "postgresql"},
        ),
        pod({"image": "bitnami/postgresql:17"}, labels={"application": "shop"}),
    ],
    ids=["the procedure's own", "bitnami's chart", "another application"],
)
def test_a_server_of_nobody_else_has_none(seen: Pod) -> None:
    assert operator_of(seen) is None
