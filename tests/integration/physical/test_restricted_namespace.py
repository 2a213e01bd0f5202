"""A namespace with the Pod Security level `restricted`, which admits all pods of pgnb."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from replication_stage import Stage, carry_out, open_stage, spec_of

from pgnb.core.errors import GateClosed, PodError
from pgnb.logical.subscriber import plan_subscriber
from pgnb.physical import plan_standby_workload
from pgnb_rehearsal.client import Client

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 999,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def compliant(manifest: dict[str, Any]) -> None:
    if manifest.get("spec", {}).get("template") is not None:
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        container["securityContext"] = RESTRICTED


@pytest.fixture
def stage(namespace: str, api: Client, kubeconfig: Path, start_postgres: Callable[..., Any]):
    """A primary that complies, in a namespace that enforces the level."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = f"/api/v1/namespaces/{namespace}"
    found = api.get(path)
    found["metadata"]["labels"] |= labels
    api.request("PUT", path, found)
    start_postgres(namespace, "postgres-primary", patch=compliant)
    made = open_stage(kubeconfig, namespace)
    yield made
    made.primary.close()
    made.cluster.close()


def test_a_standby_is_made_in_a_restricted_namespace(stage: Stage) -> None:
    stage.workload("restricted", "restricted_slot")
    carry_out(stage.backup("restricted", "restricted_slot"))


def test_a_subscriber_is_made_in_a_restricted_namespace(stage: Stage) -> None:
    carry_out(plan_subscriber(stage.primary, "subscriber"))
    (pod,) = stage.cluster.pods("app=subscriber")
    assert pod.ready


def test_a_pod_that_would_be_refused_is_refused_before_the_copy(stage: Stage, tmp_path: Path) -> None:
    """Use the operator's template, which lacks what the level requires."""
    source = stage.source()
    file = tmp_path / "standby.yaml"
    own = (files("pgnb") / "manifests" / "standby.yaml").read_text(encoding="utf-8")
    text = own.replace("          securityContext: {{ container_security | tojson }}\n", "")
    file.write_text(text)
    spec = spec_of("refused", "refused_slot")
    change = plan_standby_workload(stage.primary, spec, source, manifest=str(file))
    with pytest.raises(GateClosed, match="violates PodSecurity") as refused:
        change.apply()
    assert "allowPrivilegeEscalation" in str(refused.value)
    assert stage.cluster.get("deployments", "refused") is None


def test_a_pod_that_no_controller_can_make_is_told_in_the_words_of_the_refusal(stage: Stage) -> None:
    spec = {"containers": [{"name": "c", "image": "postgres:17", "command": ["sleep", "1000"]}]}
    labels = {"app": "never"}
    stage.cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "never"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }
    )
    workload = stage.cluster.find_workload("Deployment", "never")
    with pytest.raises(PodError, match="no pod can be created") as refused:
        stage.cluster.scale_and_wait(workload, 1)
    assert "violates PodSecurity" in str(refused.value)
    assert "pod security level" in str(refused.value)
