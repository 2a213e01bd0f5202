"""deploy/: kustomize builds each overlay, an API server takes its objects, Kubernetes' schemas know them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pgnb.cli import main
from pgnb_rehearsal.api.resources import by_kind
from pgnb_rehearsal.client import Client
from pgnb_rehearsal.waiting import until
from tests import schemas
from tests.containerfile import ROOT

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
OVERLAYS = (*tuple(f"overlays/{name}" for name in ("fleet", "fleet-isolated", "nightly", "target")), "base")
NOT_SERVED = {"NetworkPolicy"}
"""A kind that a rehearsal cluster lacks; its schema is all that is held against it here."""
RBAC = tuple(yaml.safe_load_all((ROOT / "pgnb/manifests/rbac.yaml").read_text("utf-8")))
FLEET = "pgnb"


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, kubectl_path: str) -> list[dict[str, Any]]:
    """The objects of an overlay."""
    return built(kubectl_path, request.param)


def built(kubectl_path: str, name: str) -> list[dict[str, Any]]:
    command = [kubectl_path, "kustomize", str(ROOT / "deploy" / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture
def fleet_namespace(api: Client) -> Iterator[str]:
    """The namespace that the fleet's overlay names, as a dry run wants it to be there."""
    path = f"/api/v1/namespaces/{FLEET}"
    api.create("/api/v1/namespaces", {"metadata": {"name": FLEET}})
    yield FLEET
    api.request("DELETE", path)
    until(lambda: api.find(path) is None, 60, what="namespace gone", found=lambda: str(api.find(path)))


@pytest.mark.long
def test_every_object_is_valid_by_the_schemas_of_kubernetes(kubectl_path: str) -> None:
    assert schemas.faults(one for name in OVERLAYS for one in built(kubectl_path, name)) == ""


@pytest.mark.long
def test_the_schemas_find_a_field_that_is_not_there(kubectl_path: str) -> None:
    (cron_job,) = (one for one in built(kubectl_path, "overlays/nightly") if one["kind"] == "CronJob")
    cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["serviceAcountName"] = "pgnb"
    assert "serviceAcountName" in schemas.faults([cron_job])


def test_every_object_is_taken_by_an_api_server(
    overlay: list[dict[str, Any]], namespace: str, fleet_namespace: str, kubectl: Kubectl
) -> None:
    served = [one for one in overlay if by_kind(one["apiVersion"], one["kind"]) is not None]
    assert {one["kind"] for one in overlay if one not in served} <= NOT_SERVED
    for one in served:
        where = [] if one["metadata"].get("namespace") else ["--namespace", namespace]
        done = kubectl("apply", "--dry-run=server", *where, "-f", "-", stdin=json.dumps(one))
        assert done.returncode == 0, done.stderr
        assert "(server dry run)" in done.stdout


def test_the_base_is_rbac_yaml(kubectl_path: str) -> None:
    def key(one: dict[str, Any]) -> tuple[str, str]:
        return one["kind"], one["metadata"]["name"]

    assert sorted(built(kubectl_path, "base"), key=key) == sorted(RBAC, key=key)


def test_a_target_lets_the_fleet_s_account_observe_and_nothing_else(kubectl_path: str) -> None:
    role, binding = built(kubectl_path, "overlays/target")
    (observe,) = (m for m in RBAC if (m["kind"], m["metadata"]["name"]) == ("Role", "pgnb-observe"))
    assert role["rules"] == observe["rules"]
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "pgnb-observe-fleet"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "pgnb", "namespace": FLEET}]


def test_the_checks_of_a_night_have_the_right_to_observe(kubectl_path: str) -> None:
    objects = built(kubectl_path, "overlays/nightly")
    assert [m["metadata"]["name"] for m in objects if m["kind"] in ("Role", "RoleBinding")] == [
        "pgnb-observe"
    ] * 2
    (cron_job,) = (m for m in objects if m["kind"] == "CronJob")
    (config,) = (m for m in objects if m["kind"] == "ConfigMap")
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert {"configMap": {"name": config["metadata"]["name"]}, "name": "parameters"} in pod["volumes"]
    assert pod["containers"][0]["image"].startswith("registry.example/pgnb:")


@pytest.mark.parametrize("number", ["00", "01", "08", "10", "11"])
def test_its_parameters_are_taken_by_the_notebooks_that_it_runs(number: str) -> None:
    file = ROOT / "deploy/overlays/nightly/parameters.yaml"
    done = CliRunner().invoke(main, ["parameters", number, "--yaml", "-f", str(file)])
    assert done.exit_code == 0, done.output
    taken = yaml.safe_load(done.output)
    assert (taken["kubeconfig"], taken["namespace"]) == ("", "")
