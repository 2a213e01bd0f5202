"""Environment, command line and user of a container."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.node.container_spec import user
from pgnb_rehearsal.node.environment import ConfigError, EnvContext, command_line, environment, expand
from pgnb_rehearsal.node.fields import field
from pgnb_rehearsal.pods.images import Image
from pgnb_rehearsal.quantities import divided, parse


@pytest.fixture
def around() -> EnvContext:
    store = Store()
    store.create("namespaces", {"metadata": {"name": "ns"}})
    store.create("configmaps", {"metadata": {"namespace": "ns", "name": "conf"}, "data": {"K": "v"}})
    store.create("secrets", {"metadata": {"namespace": "ns", "name": "word"}, "data": {"p": "czM="}})
    service = {
        "metadata": {"namespace": "ns", "name": "my-db"},
        "spec": {"clusterIP": "10.96.7.7", "ports": [{"name": "pg", "port": 5432, "protocol": "TCP"}]},
    }
    store.create("services", service)
    pod = {
        "metadata": {"namespace": "ns", "name": "p", "uid": "u", "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1500m"}}}]},
        "status": {"podIP": "10.244.0.9", "hostIP": "10.250.0.1"},
    }
    return EnvContext(store, pod, {"memory": "4Gi"})


def test_references_see_what_stands_before_them(around: EnvContext) -> None:
    env = [
        {"name": "A", "value": "1$(B)"},
        {"name": "B", "value": "2"},
        {"name": "C", "value": "$(A)$(B)$$(A)$(NOPE) $(MY_DB_SERVICE_HOST)"},
    ]
    made = environment({"name": "c", "env": env}, around)
    assert (made["A"], made["C"]) == ("1$(B)", "1$(B)2$(A)$(NOPE) 10.96.7.7")


def test_env_wins_over_env_from_and_services(around: EnvContext) -> None:
    container = {
        "name": "c",
        "envFrom": [{"configMapRef": {"name": "conf"}}, {"secretRef": {"name": "word"}, "prefix": "X_"}],
        "env": [{"name": "K", "value": "mine"}, {"name": "MY_DB_SERVICE_PORT", "value": "1"}],
    }
    made = environment(container, around)
    assert (made["K"], made["X_p"], made["MY_DB_SERVICE_PORT"]) == ("mine", "s3", "1")


def test_services_as_variables(around: EnvContext) -> None:
    assert environment({"name": "c"}, around) == {
        "MY_DB_SERVICE_HOST": "10.96.7.7",
        "MY_DB_SERVICE_PORT": "5432",
        "MY_DB_SERVICE_PORT_PG": "5432",
        "MY_DB_PORT": "tcp://10.96.7.7:5432",
        "MY_DB_PORT_5432_TCP": "tcp://10.96.7.7:5432",
        "MY_DB_PORT_5432_TCP_PROTO": "tcp",
        "MY_DB_PORT_5432_TCP_PORT": "5432",
        "MY_DB_PORT_5432_TCP_ADDR": "10.96.7.7",
    }


def test_no_service_links(around: EnvContext) -> None:
    around.pod["spec"]["enableServiceLinks"] = False
    assert environment({"name": "c"}, around) == {}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "nope"}}]}, 'configmap "nope" not found'),
        ({"envFrom": [{"secretRef": {"name": "nope"}}]}, 'secret "nope" not found'),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "word", "key": "nope"}}}]},
            "couldn't find key nope in Secret ns/word",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "nope"}}}]},
            "couldn't find key nope in ConfigMap ns/conf",
        ),
    ],
)
def test_references_that_lead_nowhere(around: EnvContext, container: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        environment({"name": "c"} | container, around)
    assert str(error.value) == message


def test_optional_references(around: EnvContext) -> None:
    container = {
        "name": "c",
        "envFrom": [{"configMapRef": {"name": "nope", "optional": True}}],
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "nope", "key": "k", "optional": True}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "k", "optional": True}}},
        ],
    }
    assert {"A", "B"}.isdisjoint(environment(container, around))


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "limits.memory", "divisor": "1Gi"}, "4"),
        ({"resource": "requests.cpu"}, "0"),
    ],
)
def test_resources(around: EnvContext, reference: dict[str, str], wanted: str) -> None:
    container = around.pod["spec"]["containers"][0] | {
        "env": [{"name": "A", "valueFrom": {"resourceFieldRef": reference}}]
    }
    assert environment(container, around)["A"] == wanted


def test_fields(around: EnvContext) -> None:
    paths = [
        "metadata.name",
        "metadata.labels['app']",
        "status.podIP",
        "status.hostIP",
        "metadata.labels['no']",
    ]
    assert [field(around.pod, path) for path in paths] == ["p", "x", "10.244.0.9", "10.250.0.1", ""]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(A", "$(A"), ("$(B)", "$(B)"), ("$$$(A)", "$1")],
)
def test_expansion(text: str, wanted: str) -> None:
    assert expand(text, {"A": "1"}) == wanted


@pytest.mark.parametrize(
    ("container", "wanted"),
    [
        ({}, ("entry", "default")),
        ({"args": ["a"]}, ("entry", "a")),
        ({"command": ["c"]}, ("c",)),
        ({"command": ["c", "$(A)"], "args": ["$(A)", "$$(A)"]}, ("c", "1", "1", "$(A)")),
    ],
)
def test_the_command_line(container: dict[str, list[str]], wanted: tuple[str, ...]) -> None:
    assert command_line(container, {"A": "1"}, ("entry",), ("default",)) == wanted


class _Image:
    uid, gid = 999, 999


@pytest.mark.parametrize(
    ("shared", "own", "wanted"),
    [
        ({}, {}, (999, 999)),
        ({"runAsUser": 70}, {}, (70, 0)),
        ({"runAsUser": 70, "runAsGroup": 71}, {"runAsUser": 5}, (5, 71)),
        ({"runAsNonRoot": True}, {}, (999, 999)),
    ],
)
def test_the_user(shared: dict[str, Any], own: dict[str, Any], wanted: tuple[int, int]) -> None:
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"securityContext": shared}}
    assert user(pod, {"name": "c", "securityContext": own}, cast(Image, _Image())) == wanted


def test_root_where_it_is_forbidden() -> None:
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {}}
    container = {"name": "c", "securityContext": {"runAsUser": 0, "runAsNonRoot": True}}
    with pytest.raises(ConfigError) as error:
        user(pod, container, cast(Image, _Image()))
    text = "container's runAsUser breaks non-root policy"
    assert str(error.value) == f'{text} (pod: "p_n(u)", container: c)'


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2), ("500m", 0.5), ("1Gi", 2**30), ("1k", 1000), ("1e3", 1000), ("2M", 2_000_000)],
)
def test_quantities(text: str, number: float) -> None:
    assert float(parse(text)) == number


def test_a_quantity_that_is_none() -> None:
    with pytest.raises(ValueError, match="not a resource quantity: 'lots'"):
        parse("lots")
    assert divided("1025Ki", "1Mi") == "2"
