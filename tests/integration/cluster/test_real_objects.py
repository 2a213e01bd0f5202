"""Plans on a real API: diffs without noise, other managers' fields, undo, and what an account may not do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from urllib3.connection import HTTPSConnection

from pgnb.cluster import Cluster, connect
from pgnb.core.checks import gate as gate_checks
from pgnb.core.errors import AccessDenied, ApiUnreachable, Conflict, GateClosed
from pgnb.core.plan import gate


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_create_change_nothing_and_undo(cluster: Cluster) -> None:
    made = cluster.plan_apply(config_map("a", text="x = 1\n"), "Configuration").apply()
    changed = cluster.plan_apply(config_map("a", text="x = 2\n"), "Configuration")
    assert "-    x = 1" in changed.diff
    assert "+    x = 2" in changed.diff
    done = changed.apply()
    assert not cluster.plan_apply(config_map("a", text="x = 2\n"), "Configuration")
    assert done.undo is not None
    done.undo().apply()
    assert (cluster.get("configmaps", "a") or {})["data"] == {"text": "x = 1\n"}
    cluster.apply(config_map("a", text="x = 3\n"))
    assert made.undo is not None
    made.undo().apply()
    assert cluster.get("configmaps", "a") is None


def test_the_servers_defaults_are_no_difference(cluster: Cluster) -> None:
    spec = {"selector": {"app": "x"}, "ports": [{"port": 5432}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}
    cluster.plan_apply(service, "Service").apply()
    assert not cluster.plan_apply(service, "Service")


def test_what_a_person_applied_with_kubectl_is_taken_over(
    cluster: Cluster, kubectl: Callable[..., Any]
) -> None:
    text = yaml.safe_dump(config_map("by-hand", text="x = 1\n", other="stays"))
    done = kubectl("apply", "-n", cluster.namespace, "-f", "-", stdin=text)
    assert done.returncode == 0, done.stderr
    plan = cluster.plan_apply(config_map("by-hand", text="x = 2\n"), "Configuration")
    assert "kubectl-client-side-apply" in plan.note
    plan.apply()
    now = cluster.get("configmaps", "by-hand") or {}
    assert now["data"] == {"text": "x = 2\n", "other": "stays"}


def test_what_a_controller_owns_needs_its_name(cluster: Cluster, kubectl: Callable[..., Any]) -> None:
    text = yaml.safe_dump(config_map("gitops", text="x = 1\n"))
    done = kubectl(
        "apply",
        "--server-side",
        "--field-manager=argocd-controller",
        "-n",
        cluster.namespace,
        "-f",
        "-",
        stdin=text,
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(Conflict) as caught:
        cluster.apply(config_map("gitops", text="x = 2\n"))
    assert "argocd-controller" in caught.value.found
    plan = cluster.plan_apply(config_map("gitops", text="x = 2\n"), "Configuration")
    with pytest.raises(GateClosed, match="Configuration: stopped"):
        gate(plan, take_over="")
    gate(plan, take_over="argocd-controller")
    plan.apply()
    assert (cluster.get("configmaps", "gitops") or {})["data"]["text"] == "x = 2\n"


def test_own_patches_are_no_conflict(cluster: Cluster) -> None:
    cluster.create(config_map("own", text="1"))
    cluster.patch("configmaps", "own", {"data": {"text": "2"}}, "set it to 2")
    cluster.apply(config_map("own", text="3"))
    assert (cluster.get("configmaps", "own") or {})["data"] == {"text": "3"}


def test_every_right_of_an_administrator(cluster: Cluster) -> None:
    assert cluster.access_checks().ok
    assert cluster.user == "admin"


@pytest.fixture
def reader(cluster: Cluster, kubeconfig: Path, tmp_path: Path, api: Any) -> Any:
    """A service account that may read pods and config maps and nothing else."""
    rules = [{"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list"]}]
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": cluster.namespace}],
    }
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}})
    cluster.apply(role)
    cluster.apply(binding)
    path = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/reader/token"
    answer = api.create(path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    found = connect(str(tmp_path / "config"), namespace=cluster.namespace, dry_run=False)
    yield found
    found.close()


def test_missing_rights_are_named_with_their_reason(reader: Cluster) -> None:
    checks = reader.access_checks()
    missing = {check.name: check.remedy for check in checks.failed}
    assert "list pods" not in missing
    assert "To reach PostgreSQL" in missing["create pods/portforward"]
    assert 'resources: ["pods/portforward"], verbs: ["create"]' in missing["create pods/portforward"]
    with pytest.raises(GateClosed, match="Rights in the namespace"):
        gate_checks(checks)


def test_what_is_refused_says_what_would_allow_it(reader: Cluster) -> None:
    with pytest.raises(AccessDenied, match='cannot get resource "secrets"') as caught:
        reader.secret_value("creds", "password")
    assert "kubectl auth can-i get secrets" in caught.value.remedy


def test_a_plan_can_be_made_without_the_right_to_change(cluster: Cluster, reader: Cluster) -> None:
    cluster.apply(config_map("read", text="x = 1\n"))
    plan = reader.plan_apply(config_map("read", text="x = 2\n"), "Configuration")
    assert "+    x = 2" in plan.diff
    with pytest.raises(AccessDenied):
        plan.apply()


def test_an_account_that_cannot_read_the_namespace_only_plans(reader: Cluster, tmp_path: Path) -> None:
    config = str(tmp_path / "config")
    assert connect(config, namespace=reader.namespace).dry_run is True


def altered(kubeconfig: Path, tmp_path: Path, kind: str, **fields: Any) -> str:
    """The kubeconfig with other fields in its one cluster or user; None takes a field out."""
    config = yaml.safe_load(kubeconfig.read_text())
    inside = config[f"{kind}s"][0][kind]
    inside |= {name.replace("_", "-"): value for name, value in fields.items()}
    config[f"{kind}s"][0][kind] = {name: value for name, value in inside.items() if value is not None}
    (tmp_path / "altered").write_text(yaml.safe_dump(config))
    return str(tmp_path / "altered")


def test_a_server_of_another_authority(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = altered(kubeconfig, tmp_path, "cluster", certificate_authority_data=None)
    connections: list[HTTPSConnection] = []
    connect_once = HTTPSConnection.connect
    monkeypatch.setattr(HTTPSConnection, "connect", lambda me: (connections.append(me), connect_once(me)))
    with pytest.raises(ApiUnreachable) as caught:
        connect(config)
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.found
    assert "certificate authority" in caught.value.remedy
    assert len(connections) == 1, "asking again would not help"


def test_a_token_that_is_not_known(kubeconfig: Path, tmp_path: Path) -> None:
    config = altered(kubeconfig, tmp_path, "user", token="no-such-token")
    with pytest.raises(AccessDenied, match="does not accept these credentials") as caught:
        connect(config).list("pods")
    assert "log in again" in caught.value.remedy
    assert "no-such-token" not in str(caught.value)


def test_a_plan_only_run_changes_nothing(kubeconfig: Path, cluster: Cluster) -> None:
    planned = connect(str(kubeconfig), namespace=cluster.namespace, dry_run=True)
    before = cluster.list("configmaps")
    outcome = planned.plan_apply(config_map("never", text="x"), "Configuration").apply()
    assert outcome.outcome == "plan only: nothing was changed"
    with pytest.raises(GateClosed):
        planned.create(config_map("never", text="x"))
    assert cluster.list("configmaps") == before
    assert planned.journal.entries == []
    planned.close()
