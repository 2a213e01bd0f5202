"""What a standby and a subscriber copy from the primary's pod, what they are given, what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from replication_stage import Stage, carry_out, open_stage

from pgnb.cluster import connect
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.wait import wait_until
from pgnb.logical.subscriber import plan_subscriber
from pgnb.physical import StandbySpec, plan_standby_workload
from pgnb.physical.entrypoint import role_checks
from pgnb.physical.rejoin import plan_rejoin_server
from pgnb.postgres import find_server
from pgnb_rehearsal.client import Client

_ASKS = """
[ -n "$POSTGRESQL_PASSWORD" ] || { echo 'POSTGRESQL_PASSWORD is empty or not set.'; exit 1; }
[ "$FROM_MAP" = yes ] || { echo 'FROM_MAP is not set.'; exit 1; }
exec docker-entrypoint.sh postgres "$@"
"""
"""An entry point that checks its variables at every start, also with data, as Bitnami's does."""
_TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
SPEC = StandbySpec("standby", "standby", "standby", config_map="c")
GIVEN = {
    "labels": {"tier": "db"},
    "annotations": {"mesh/inject": "no"},
    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    "service_account": {"name": "database"},
    "env": {"TZ": {"value": "Asia/Tokyo"}},
}


def asking(manifest: dict[str, Any]) -> None:
    """A primary as a chart creates it, on its own node."""
    if manifest.get("spec", {}).get("template") is None:
        return
    spec = manifest["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    container["command"] = ["bash", "-c", _ASKS, "entrypoint"]
    reference = {"secretKeyRef": {"name": "postgres-primary", "key": "password"}}
    container["env"] += [
        {"name": "POSTGRESQL_PASSWORD", "valueFrom": reference},
        {"name": "TZ", "value": "UTC"},
        {"name": "POSTGRESQL_REPLICATION_MODE", "value": "master"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    container["envFrom"] = [{"configMapRef": {"name": "shared"}}]
    spec |= {"nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "dedicated", "operator": "Exists"}]}


@pytest.fixture(scope="module")
def node(api: Client) -> Iterator[None]:
    """The node, tainted and labelled, as long as the module's tests run."""
    (found,) = api.get("/api/v1/nodes")["items"]
    path = f"/api/v1/nodes/{found['metadata']['name']}"
    found["metadata"]["labels"]["disk"] = "fast"
    found["spec"]["taints"] = [_TAINT]
    api.request("PUT", path, found)
    yield
    found = api.get(path)
    del found["spec"]["taints"], found["metadata"]["labels"]["disk"]
    api.request("PUT", path, found)


@pytest.fixture(scope="module")
def stage(
    module_namespace: str, api: Client, kubeconfig: Path, start_postgres: Callable[..., Any], node: None
) -> Iterator[Stage]:
    data = {"FROM_MAP": "yes", "POSTGRES_HOST_AUTH_METHOD": "trust"}
    api.create(
        f"/api/v1/namespaces/{module_namespace}/configmaps", {"metadata": {"name": "shared"}, "data": data}
    )
    api.create(f"/api/v1/namespaces/{module_namespace}/serviceaccounts", {"metadata": {"name": "database"}})
    start_postgres(module_namespace, "postgres-primary", patch=asking)
    made = open_stage(kubeconfig, module_namespace)
    yield made
    made.primary.close()
    made.cluster.close()


def given(stage: Stage, server_pods: dict[str, Any]) -> Stage:
    """The stage in a run with that parameter."""
    cluster = connect(str(stage.kubeconfig), "", stage.namespace, dry_run=False, server_pods=server_pods)
    primary = find_server(cluster, "app=postgres-primary", password="secret:postgres-primary/password")
    return Stage(cluster, primary, stage.kubeconfig, stage.namespace)


def variables(spec: dict[str, Any]) -> dict[str, Any]:
    (container,) = spec["containers"]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def test_a_standby_has_the_primary_s_environment_by_reference_and_what_the_run_gives(stage: Stage) -> None:
    run = given(stage, GIVEN)
    run.workload("asked", "asked_slot")
    carry_out(run.backup("asked", "asked_slot"))
    (pod,) = run.cluster.pods("app=asked")
    found = variables(pod.spec)
    assert found["POSTGRESQL_PASSWORD"] == {"secretKeyRef": {"name": "postgres-primary", "key": "password"}}
    assert found["NODE"]["fieldRef"]["fieldPath"] == "spec.nodeName"
    assert found["TZ"] == "Asia/Tokyo"
    assert "POSTGRESQL_REPLICATION_MODE" not in found or not found["POSTGRESQL_REPLICATION_MODE"]
    seen = run.cluster.exec(pod, ["sh", "-c", "echo $FROM_MAP:$POSTGRES_HOST_AUTH_METHOD:$POSTGRES_PASSWORD"])
    assert seen.text == "yes::"
    assert pod.labels["tier"] == "db"
    assert run.cluster.get("pods", pod.name)["metadata"]["annotations"]["mesh/inject"] == "no"
    for container in (*pod.spec["containers"], *pod.spec["initContainers"]):
        assert container["resources"] == GIVEN["resources"]
    assert pod.spec["serviceAccountName"] == "database"
    assert pod.spec["automountServiceAccountToken"] is False
    assert pod.spec["nodeSelector"] == {"disk": "fast"}
    assert [t["key"] for t in pod.spec["tolerations"] if "tolerationSeconds" not in t] == ["dedicated"]
    run.primary.close()
    run.cluster.close()


@pytest.mark.long
def test_a_pod_without_the_toleration_stays_pending_in_the_scheduler_s_words(stage: Stage) -> None:
    container = {"name": "c", "image": "postgres:17", "command": ["sleep", "1000"]}
    spec = {"containers": [container], "tolerations": [{"key": "dedicated", "value": "other"}]}
    stage.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "repelled"}, "spec": spec})

    def why() -> str:
        conditions = stage.cluster.get("pods", "repelled")["status"].get("conditions", [])
        return next((c["message"] for c in conditions if c.get("reason") == "Unschedulable"), "")

    assert "1 node(s) had untolerated taint(s)" in wait_until("a refusal", why, timeout=60)


def test_a_subscriber_takes_it_over_with_a_password_of_its_own(stage: Stage) -> None:
    carry_out(plan_subscriber(stage.primary, "subscriber"))
    (pod,) = stage.cluster.pods("app=subscriber")
    assert pod.ready
    found = variables(pod.spec)
    assert found["POSTGRESQL_PASSWORD"] == {"secretKeyRef": {"name": "subscriber", "key": "password"}}
    assert pod.spec.get("serviceAccountName", "default") == "default"
    with closing(
        find_server(stage.cluster, "app=subscriber", password="secret:subscriber/password")
    ) as server:
        assert server.facts.role == "primary"


def test_a_secret_in_the_container_s_own_text_is_refused_before_anything_is_made(
    stage: Stage, start_postgres: Callable[..., Any]
) -> None:
    start_postgres(stage.namespace, "literal", env={"POSTGRESQL_PASSWORD": "hunter22"}, patch=tolerant)
    made = open_stage(stage.kubeconfig, stage.namespace, "literal")
    source = stage.source()
    entries = len(made.cluster.journal.entries)
    with pytest.raises(ParameterError, match="are not copied into another object") as refused:
        plan_standby_workload(made.primary, SPEC, source)
    assert refused.value.found == "POSTGRESQL_PASSWORD"
    assert "hunter22" not in str(refused.value)
    own = plan_subscriber(made.primary, "other")
    assert "hunter22" not in str(own)
    assert "name: POSTGRESQL_PASSWORD" in str(own)
    assert len(made.cluster.journal.entries) == entries
    made.primary.close()
    made.cluster.close()
    reference = {"secretKeyRef": {"name": "literal", "key": "password"}}
    run = given(stage, {"env": {"POSTGRESQL_PASSWORD": reference}})
    with closing(find_server(run.cluster, "app=literal", password="secret:literal/password")) as primary:
        change = plan_standby_workload(primary, SPEC, source)
    assert "hunter22" not in str(change)
    assert "POSTGRESQL_PASSWORD" in str(change)
    run.primary.close()
    run.cluster.close()


def tolerant(manifest: dict[str, Any]) -> None:
    if manifest.get("spec", {}).get("template") is not None:
        manifest["spec"]["template"]["spec"]["tolerations"] = [{"key": "dedicated", "operator": "Exists"}]


_FORGETTING = "rm -f $PGDATA/standby.signal; exec docker-entrypoint.sh postgres"


def test_an_image_that_forgets_that_it_is_a_standby_is_refused(
    stage: Stage, api: Client, start_postgres: Callable[..., Any]
) -> None:
    """As Bitnami's entry point, which removes the file at each start."""

    def forgetful(manifest: dict[str, Any]) -> None:
        tolerant(manifest)
        if manifest.get("spec", {}).get("template") is not None:
            spec = manifest["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            container["command"] = ["bash", "/opt/bitnami/scripts/libpostgresql.sh"]
            container["volumeMounts"] = [
                *container["volumeMounts"],
                {"name": "s", "mountPath": "/opt/bitnami/scripts"},
            ]
            spec["volumes"] = [*spec["volumes"], {"name": "s", "configMap": {"name": "scripts"}}]

    path = f"/api/v1/namespaces/{stage.namespace}/configmaps"
    api.create(path, {"metadata": {"name": "scripts"}, "data": {"libpostgresql.sh": _FORGETTING}})
    start_postgres(stage.namespace, "forgetful", patch=forgetful)
    made = open_stage(stage.kubeconfig, stage.namespace, "forgetful")
    source = stage.source()
    with pytest.raises(GateClosed, match="a standby becomes a primary") as refused:
        plan_standby_workload(made.primary, SPEC, source)
    assert "standby_manifest" in refused.value.remedy
    with pytest.raises(GateClosed, match="a standby becomes a primary"):
        plan_rejoin_server(made.primary, StandbySpec("forgetful", "s", "a"), source)
    after = {check.name: check.ok for check in role_checks(made.primary, made.primary)}
    assert after == {
        "the old primary would stay a standby": False,
        "the candidate would stay a primary": True,
    }
    assert all(check.ok for check in role_checks(stage.primary, stage.primary))
    made.primary.close()
    made.cluster.close()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"labels": {"app": "asked"}}, "cannot have app"),
        ({"labels": {"tier": 1}}, "cannot have labels"),
        ({"env": {"PGDATA": {"value": "/x"}}}, "cannot have PGDATA"),
        ({"env": {"A": "text"}}, "cannot have env"),
        ({"service_account": {"token": "x"}}, "cannot have service_account"),
        ({"image": {}}, "cannot have image"),
        ({"labels": {"db": "postgres-primary"}}, "service/by-label"),
    ],
)
def test_options_that_would_do_harm_are_refused(stage: Stage, wrong: dict[str, Any], words: str) -> None:
    stage.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "by-label"},
            "spec": {"selector": {"db": "postgres-primary"}, "ports": [{"port": 5432}]},
        }
    )
    with pytest.raises(ParameterError) as refused:
        connect(str(stage.kubeconfig), namespace=stage.namespace, server_pods=wrong)
    assert words in str(refused.value)
