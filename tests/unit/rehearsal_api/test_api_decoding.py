"""Reading objects: types, unknown fields, protobuf, options."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb_rehearsal.api.bodies import read_yaml
from pgnb_rehearsal.api.decoding import decode
from pgnb_rehearsal.api.options import delete_options, write_options
from pgnb_rehearsal.api.protobuf import read_protobuf
from pgnb_rehearsal.api.requests import parse_request
from pgnb_rehearsal.api.resources import BY_PLURAL
from pgnb_rehearsal.api.status import StatusError


def test_unknown_fields_are_found_with_their_place() -> None:
    container = {"name": "m", "imagee": "x", "env": [{"name": "A", "val": "1"}]}
    pod = {"metadata": {"lables": {}}, "spec": {"containers": [container]}}
    obj, unknown = decode(BY_PLURAL["pods"], pod)
    assert unknown == ["metadata.lables", "spec.containers[0].imagee", "spec.containers[0].env[0].val"]
    assert obj["spec"]["containers"] == [{"name": "m", "env": [{"name": "A"}]}]


@pytest.mark.parametrize(
    ("plural", "body", "message"),
    [
        ("configmaps", {"data": {"a": True}}, "cannot unmarshal bool into Go struct field ConfigMap.data"),
        ("configmaps", {"data": []}, "cannot unmarshal array into Go struct field ConfigMap.data"),
        ("configmaps", [], "cannot unmarshal array"),
        (
            "deployments",
            {"spec": {"replicas": "3"}},
            "Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        ("deployments", {"spec": {"replicas": 3.5}}, "of type int32"),
        ("deployments", {"spec": {"replicas": 2**40}}, "cannot unmarshal number 1099511627776"),
        ("services", {"spec": {"ports": [{"targetPort": {}}]}}, "cannot unmarshal object"),
        (
            "persistentvolumeclaims",
            {"spec": {"resources": {"requests": {"storage": "1 GB"}}}},
            "quantities must",
        ),
        ("secrets", {"data": {"a": "YQ"}}, "illegal base64 data at input byte"),
        ("configmaps", {"apiVersion": "v2"}, "the API version in the data (v2) does not match"),
    ],
)
def test_wrong_types_are_refused_in_the_words_of_the_decoder(plural: str, body: Any, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        decode(BY_PLURAL[plural], body)
    assert refused.value.code == 400
    assert message in refused.value.message


def test_nulls_and_empty_maps_are_left_out() -> None:
    body = {"metadata": {"name": "a", "labels": {}, "annotations": None}, "data": {}}
    obj, unknown = decode(BY_PLURAL["configmaps"], body)
    assert (obj, unknown) == ({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}}, [])


def test_yaml_keeps_what_looks_like_a_date() -> None:
    assert read_yaml("a: 2026-01-01\nb: 1") == {"a": "2026-01-01", "b": 1}
    with pytest.raises(StatusError, match="error decoding YAML"):
        read_yaml("a: [")


CONFIG_MAP = bytes.fromhex(
    "6b3873000a0f0a0276311209436f6e6669674d617012240a120a02633212001a0022002a0032003800420012060a0161"
    "120162 12060a01631201641a002200".replace(" ", "")
)
"""What `kubectl create configmap c2 --from-literal=a=b --from-literal=c=d` sends."""


def test_protobuf_of_kubectl_is_read() -> None:
    expected = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c2"},
        "data": {"a": "b", "c": "d"},
    }
    assert read_protobuf(CONFIG_MAP) == expected


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"{}", 400, "no Kubernetes protobuf"),
        (CONFIG_MAP[:40], 400, "it ends within a field"),
        (CONFIG_MAP.replace(b"ConfigMap", b"ConfigMop"), 415, 'does not read a "ConfigMop"'),
        (CONFIG_MAP.replace(b"\x12\x06\x0a\x01a", b"\x7a\x06\x0a\x01a"), 415, "does not read field 15"),
    ],
)
def test_protobuf_that_is_not_understood_is_refused(data: bytes, code: int, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        read_protobuf(data)
    assert refused.value.code == code
    assert message in refused.value.message


def test_the_manager_is_named_or_taken_from_the_user_agent() -> None:
    assert write_options("CreateOptions", {}, "kubectl/v1.36 (linux)").manager == "kubectl"
    assert write_options("CreateOptions", {"fieldManager": "me"}, "kubectl/v1.36").manager == "me"


@pytest.mark.parametrize(("key", "value"), [("dryRun", "Some"), ("fieldValidation", "Loose")])
def test_options_that_do_not_exist_are_refused(key: str, value: str) -> None:
    with pytest.raises(StatusError, match="Unsupported value") as refused:
        write_options("CreateOptions", {key: value}, "")
    assert refused.value.code == 422


def test_delete_options_come_from_body_or_query() -> None:
    body = {"gracePeriodSeconds": 0, "preconditions": {"uid": "u"}, "dryRun": ["All"]}
    options = delete_options({"propagationPolicy": "Foreground"}, body)
    assert (options.grace, options.propagation, options.uid, options.dry_run) == (0, "Foreground", "u", True)
    assert delete_options({"orphanDependents": "true"}, None).propagation == "Orphan"
    with pytest.raises(StatusError, match="gracePeriodSeconds must be a number"):
        delete_options({"gracePeriodSeconds": "soon"}, None)


@pytest.mark.parametrize(
    ("method", "path", "query", "verb", "target", "namespace", "name"),
    [
        ("GET", "/api/v1/namespaces/n/pods", {}, "list", "pods", "n", ""),
        ("GET", "/api/v1/pods", {"watch": "1"}, "watch", "pods", "", ""),
        ("GET", "/api/v1/namespaces/n", {}, "get", "namespaces", "n", "n"),
        ("PUT", "/api/v1/namespaces/n/finalize", {}, "update", "namespaces/finalize", "n", "n"),
        ("POST", "/api/v1/namespaces/n/pods/p/exec", {}, "create", "pods/exec", "n", "p"),
        ("DELETE", "/apis/apps/v1/namespaces/n/deployments", {}, "deletecollection", "deployments", "n", ""),
        ("GET", "/api/v1/nodes", {"fieldSelector": "metadata.name=a"}, "list", "nodes", "", "a"),
    ],
)
def test_paths_are_taken_apart(
    method: str, path: str, query: dict[str, str], verb: str, target: str, namespace: str, name: str
) -> None:
    info = parse_request(method, path, query)
    assert (info.verb, info.target, info.namespace, info.name) == (verb, target, namespace, name)
