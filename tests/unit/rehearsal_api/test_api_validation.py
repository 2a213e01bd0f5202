"""What the server refuses, and what it adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pgnb_rehearsal.api.podcompletion import qos_class
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store

Object = dict[str, Any]


def meta(name: str = "a", **more: Any) -> Object:
    return {"name": name, "namespace": "default", **more}


def pod(**container: Any) -> Object:
    return {"metadata": meta(), "spec": {"containers": [{"name": "m", "image": "i", **container}]}}


def workload(restart: str = "Always", **spec: Any) -> Object:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {**pod()["spec"], "restartPolicy": restart}}
    return {"metadata": meta(), "spec": {"selector": {"matchLabels": labels}, "template": template, **spec}}


def service(*ports: Object, **spec: Any) -> Object:
    return {"metadata": meta(), "spec": {"ports": list(ports), **spec}}


def role(**rule: Any) -> Object:
    return {"metadata": meta(), "rules": [rule]}


BAD: list[tuple[str, Object, str]] = [
    ("configmaps", {"metadata": meta(labels={"a b": "c"})}, "metadata.labels"),
    ("configmaps", {"metadata": meta(labels={"a": "c d"})}, "metadata.labels"),
    ("configmaps", {"metadata": meta(), "data": {"a/b": "c"}}, "data[a/b]"),
    ("configmaps", {"metadata": meta(), "data": {"a": "x" * 2**20 + "x"}}, "Too long"),
    ("services", {"metadata": meta("1a"), "spec": {"ports": [{"port": 1}]}}, "a DNS-1035 label must"),
    ("services", service(), "spec.ports: Required value"),
    ("services", service({"port": 70000}), "must be between 1 and 65535"),
    ("services", service({"port": 1}, {"port": 2}), "spec.ports[0].name: Required value"),
    ("services", service({"port": 1}, clusterIP="10.97.0.1"), "is not in the valid range"),
    ("services", service({"port": 1}, type="Tunnel"), "spec.type: Unsupported value"),
    ("persistentvolumeclaims", {"metadata": meta(), "spec": {}}, "spec.accessModes: Required value"),
    ("pods", pod(image=""), "spec.containers[0].image: Required value"),
    ("pods", pod(name="M"), "a lowercase RFC 1123 label must"),
    ("pods", pod(imagePullPolicy="Sometimes"), "spec.containers[0].imagePullPolicy: Unsupported value"),
    ("pods", pod(volumeMounts=[{"name": "v", "mountPath": "/x"}]), 'volumeMounts[0].name: Not found: "v"'),
    ("pods", pod(ports=[{"containerPort": 0}]), "ports[0].containerPort: Required value"),
    ("pods", pod(env=[{"name": "A=B", "value": "x"}]), "env[0].name: Invalid value"),
    ("pods", pod(readinessProbe={}), "readinessProbe: Required value: must specify a handler type"),
    ("deployments", workload(restart="Never"), "restartPolicy: Unsupported value"),
    ("deployments", workload(replicas=-1), "spec.replicas: Invalid value: -1"),
    (
        "deployments",
        workload(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        "may not be specified when strategy `type` is 'Recreate'",
    ),
    ("jobs", workload(), 'Required value: valid values: "OnFailure", "Never"'),
    ("roles", role(verbs=["get"]), "rules[0].apiGroups: Required value"),
    ("roles", role(apiGroups=[""], resources=["pods"]), "rules[0].verbs: Required value"),
    (
        "rolebindings",
        {"metadata": meta(), "roleRef": {"kind": "Group", "name": "x"}},
        "roleRef.kind: Unsupported",
    ),
    ("leases", {"metadata": meta(), "spec": {"leaseDurationSeconds": 0}}, "must be greater than 0"),
]


@pytest.mark.parametrize(("plural", "obj", "text"), BAD, ids=[f"{case[0]}-{case[2][:40]}" for case in BAD])
def test_bad_objects_are_refused(store: Store, plural: str, obj: Object, text: str) -> None:
    with pytest.raises(StatusError) as refused:
        store.create(plural, obj)
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert text in refused.value.message
    assert store.find(plural, "default", obj["metadata"]["name"]) is None


FIXED: list[tuple[str, Object, Callable[[Object], Any], str]] = [
    (
        "configmaps",
        {"metadata": meta(), "immutable": True},
        lambda o: o.update(data={"a": "b"}),
        "data: Forbidden",
    ),
    ("secrets", {"metadata": meta()}, lambda o: o.update(type="other"), "type: Invalid value"),
    (
        "services",
        service({"port": 1}),
        lambda o: o["spec"].update(clusterIP="10.96.9.9"),
        "may not change once set",
    ),
    (
        "pods",
        pod(),
        lambda o: o["spec"]["containers"][0].update(command=["x"]),
        "pod updates may not change fields",
    ),
    (
        "statefulsets",
        workload(serviceName="s"),
        lambda o: o["spec"].update(serviceName="t"),
        "updates to statefulset spec for fields other than 'replicas'",
    ),
    (
        "jobs",
        {"metadata": meta(), "spec": {"template": {"spec": {**pod()["spec"], "restartPolicy": "Never"}}}},
        lambda o: o["spec"]["template"]["spec"]["containers"][0].update(image="j"),
        "spec.template: Invalid value",
    ),
    (
        "rolebindings",
        {"metadata": meta(), "roleRef": {"kind": "Role", "name": "x"}},
        lambda o: o["roleRef"].update(name="y"),
        "cannot change roleRef",
    ),
    (
        "persistentvolumeclaims",
        {
            "metadata": meta(),
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
        lambda o: o["spec"].update(accessModes=["ReadWriteMany"]),
        "spec is immutable after creation",
    ),
]


@pytest.mark.parametrize(("plural", "obj", "change", "text"), FIXED, ids=[case[0] for case in FIXED])
def test_what_is_fixed_cannot_be_changed(
    store: Store, plural: str, obj: Object, change: Callable[[Object], Any], text: str
) -> None:
    before = store.create(plural, obj)
    with pytest.raises(StatusError) as refused:
        store.modify(plural, "default", "a", change)
    assert refused.value.code == 422
    assert text in refused.value.message
    assert store.get(plural, "default", "a") == before


def test_a_pods_image_can_be_changed(store: Store) -> None:
    store.create("pods", pod())
    changed = store.modify("pods", "default", "a", lambda o: o["spec"]["containers"][0].update(image="j"))
    assert changed["metadata"]["generation"] == 2


def test_a_service_that_is_replaced_without_address_keeps_its_own(store: Store) -> None:
    made = store.create("services", service({"port": 1}))
    replaced = store.update("services", service({"port": 2}))
    assert replaced["spec"]["clusterIP"] == made["spec"]["clusterIP"]


def test_two_services_have_two_addresses(store: Store) -> None:
    first = store.create("services", service({"port": 1}))["spec"]["clusterIP"]
    with pytest.raises(StatusError, match="provided IP is already allocated"):
        store.create("services", {**service({"port": 1}, clusterIP=first), "metadata": meta("b")})


def test_a_pod_gets_its_token_unless_it_does_not_want_one(store: Store) -> None:
    with_token = store.create("pods", pod())
    mount = with_token["spec"]["containers"][0]["volumeMounts"][0]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    without = pod()
    without["metadata"] = meta("b")
    without["spec"]["automountServiceAccountToken"] = False
    assert "volumes" not in store.create("pods", without)["spec"]


def test_a_pod_of_an_unknown_service_account_is_forbidden(store: Store) -> None:
    unknown = pod()
    unknown["spec"]["serviceAccountName"] = "nobody"
    with pytest.raises(StatusError, match='serviceaccount "nobody" not found') as refused:
        store.create("pods", unknown)
    assert refused.value.code == 403


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
    ],
)
def test_quality_of_service(resources: Object, expected: str) -> None:
    assert qos_class({"containers": [{"resources": resources}]}) == expected
