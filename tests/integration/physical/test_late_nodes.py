"""Pods that fit on no node: the error has the scheduler's message, after the given time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from replication_stage import Stage, open_stage

from pgnb.physical import check_source, plan_slot
from pgnb_rehearsal.client import Client

LABEL = "pgnb-late-nodes"


def labelled(api: Client, value: str) -> None:
    """Set that label on the cluster's node, or remove it if the value is empty."""
    (node,) = api.get("/api/v1/nodes")["items"]
    labels = {key: text for key, text in node["metadata"]["labels"].items() if key != LABEL}
    node["metadata"]["labels"] = {**labels, **({LABEL: value} if value else {})}
    node["metadata"].pop("resourceVersion")
    api.request("PUT", f"/api/v1/nodes/{node['metadata']['name']}", node)


def chosen(manifest: dict[str, Any]) -> None:
    if manifest.get("spec", {}).get("template") is not None:
        manifest["spec"]["template"]["spec"]["nodeSelector"] = {LABEL: "yes"}


@pytest.fixture
def stage(
    namespace: str, api: Client, kubeconfig: Path, start_postgres: Callable[..., Any]
) -> Iterator[Stage]:
    """A primary that needs a label which no node has any more."""
    labelled(api, "yes")
    try:
        start_postgres(namespace, "postgres-primary", patch=chosen)
    finally:
        labelled(api, "")
    made = open_stage(kubeconfig, namespace)
    yield made
    made.primary.close()
    made.cluster.close()


@pytest.mark.long
def test_a_proof_that_no_node_takes_ends_at_its_limit_with_the_schedulers_words(stage: Stage) -> None:
    source = stage.source()
    plan_slot(stage.primary, "late").apply()
    proof = check_source(stage.primary, source, slot="late", start_timeout=1.0)
    (failed,) = proof.failed
    assert "Unschedulable: 0/1 nodes are available: 1 node(s) didn't match Pod's node" in str(failed.found)
    assert "compare them with the nodes' labels" in failed.remedy
    assert "start_timeout" in failed.remedy
