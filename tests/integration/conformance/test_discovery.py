"""What the server says about itself: version, groups, resources, health, types."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.replay import Api, exchanges

RECORDED = exchanges("discovery")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

NEEDED = {
    "/api/v1": (
        *("configmaps", "endpoints", "events", "namespaces", "nodes", "persistentvolumeclaims"),
        *("persistentvolumes", "pods", "pods/exec", "pods/log", "pods/portforward", "secrets"),
        *("serviceaccounts", "serviceaccounts/token", "services"),
        *("limitranges", "resourcequotas", "resourcequotas/status"),
    ),
    "/apis/apps/v1": (
        "controllerrevisions",
        "deployments",
        "deployments/scale",
        "replicasets",
        "statefulsets",
    ),
    "/apis/batch/v1": ("cronjobs", "cronjobs/status", "jobs", "jobs/status"),
    "/apis/coordination.k8s.io/v1": ("leases",),
    "/apis/authorization.k8s.io/v1": ("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
}


def _without_hash(resource: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key != "storageVersionHash"}


@pytest.mark.parametrize("path", NEEDED)
def test_resources_are_described_as_by_a_real_server(api: Api, path: str) -> None:
    found = api.call("GET", path).body
    recorded = RECORDED[path]["response"]["body"]
    assert {k: v for k, v in found.items() if k != "resources"} == (
        {k: v for k, v in recorded.items() if k != "resources"}
    )
    ours = {resource["name"]: _without_hash(resource) for resource in found["resources"]}
    theirs = {resource["name"]: _without_hash(resource) for resource in recorded["resources"]}
    assert {name: ours.get(name) for name in NEEDED[path]} == {name: theirs[name] for name in NEEDED[path]}


@pytest.mark.parametrize(("what", "path"), [("/api aggregated, as kubectl asks", "/api/v1")])
def test_aggregated_discovery_of_the_core(api: Api, what: str, path: str) -> None:
    answer = api.call("GET", "/api", accept=AGGREGATED)
    assert answer.headers["content-type"] == RECORDED[what]["response"]["headers"]["Content-Type"]
    recorded = _resources(RECORDED[what]["response"]["body"])
    found = _resources(answer.body)
    for name in (name for name in NEEDED[path] if "/" not in name):
        ours, theirs = dict(found["v1", name]), dict(recorded["v1", name])
        offered = {sub["subresource"]: sub for sub in ours.pop("subresources", [])}
        real = {sub["subresource"]: sub for sub in theirs.pop("subresources", [])}
        assert ours == theirs
        assert offered == {key: real[key] for key in offered}


def test_aggregated_discovery_of_the_groups(api: Api) -> None:
    what = "/apis aggregated, as kubectl asks"
    answer = api.call("GET", "/apis", accept=AGGREGATED)
    recorded, found = _resources(RECORDED[what]["response"]["body"]), _resources(answer.body)
    for key in [("apps", "deployments"), ("apps", "statefulsets"), ("batch", "cronjobs"), ("batch", "jobs")]:
        assert found[key] == recorded[key]
    assert ("coordination.k8s.io", "leases") in found


def _resources(body: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (group["metadata"].get("name", "v1"), resource["resource"]): resource
        for group in body["items"]
        for version in group["versions"]
        for resource in version["resources"]
    }


@pytest.mark.parametrize("path", ["/version", "/version/"])
def test_version(api: Api, path: str) -> None:
    found, recorded = api.call("GET", path).body, RECORDED[path]["response"]["body"]
    assert found.keys() >= {"major", "minor", "gitVersion", "platform"}
    assert found["major"] == recorded["major"]
    assert found["gitVersion"].startswith("v1.")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health(api: Api, path: str) -> None:
    answer = api.call("GET", path)
    assert (answer.status, answer.body) == (200, "ok")


def test_groups_name_their_versions(api: Api) -> None:
    found = {group["name"]: group for group in api.call("GET", "/apis").body["groups"]}
    recorded = {group["name"]: group for group in RECORDED["/apis"]["response"]["body"]["groups"]}
    for name in ("apps", "batch", "coordination.k8s.io", "rbac.authorization.k8s.io"):
        assert found[name] == recorded[name]
        assert api.call("GET", f"/apis/{name}").body["preferredVersion"] == found[name]["preferredVersion"]


def test_types_are_there_for_validation_and_explanation(api: Api) -> None:
    paths = api.call("GET", "/openapi/v3").body["paths"]
    document = api.call("GET", paths["apis/apps/v1"]["serverRelativeURL"]).body
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    spec = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]
    assert spec["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name"
