"""ResourceQuotas and LimitRanges: what they refuse, and what they fill in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pgnb_rehearsal.api.podcompletion import qos_class
from pgnb_rehearsal.api.quotas import used
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store

Object = dict[str, Any]
HARD = {"requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "2", "limits.memory": "2Gi"}


def asking(cpu: str, memory: str, limits: Object | None = None) -> Object:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": limits or {"cpu": cpu, "memory": memory}}


def pod(name: str, resources: Object, *, init: Object | None = None, **spec: Any) -> Object:
    containers = [{"name": "main", "image": "i", "resources": resources}]
    begin = [{"name": "first", "image": "i", "resources": init}] if init is not None else []
    whole = {"containers": containers, "initContainers": begin, **spec}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": whole}


def quota(store: Store, hard: Mapping[str, str], **spec: Any) -> Object:
    metadata = {"name": "small", "namespace": "default"}
    return store.create("resourcequotas", {"metadata": metadata, "spec": {"hard": dict(hard), **spec}})


def limit_range(store: Store, *items: Object) -> Object:
    metadata = {"name": "usual", "namespace": "default"}
    return store.create("limitranges", {"metadata": metadata, "spec": {"limits": list(items)}})


def claim(name: str, size: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {**spec, "storageClassName": "slow"}}


def refusal(store: Store, plural: str, obj: Object) -> str:
    with pytest.raises(StatusError) as refused:
        store.create(plural, obj, dry_run=True)
    assert refused.value.code == 403
    with pytest.raises(StatusError, match=r"is forbidden"):
        store.create(plural, obj)
    return str(refused.value)


def test_every_container_must_say_what_a_quota_limits(store: Store) -> None:
    quota(store, HARD)
    text = refusal(store, "pods", pod("p", {}, init={"requests": {"cpu": "1m"}}))
    assert text == (
        'pods "p" is forbidden: failed quota: small: must specify limits.cpu for: first,main; '
        "limits.memory for: first,main; requests.cpu for: main; requests.memory for: first,main"
    )


def test_what_is_more_than_the_rest_is_refused(store: Store) -> None:
    quota(store, HARD)
    store.create("pods", pod("one", asking("800m", "512Mi")))
    assert refusal(store, "pods", pod("two", asking("300m", "600Mi"))) == (
        'pods "two" is forbidden: exceeded quota: small, requested: requests.cpu=300m,requests.memory=600Mi, '
        "used: requests.cpu=800m,requests.memory=512Mi, limited: requests.cpu=1,requests.memory=1Gi"
    )
    store.create("pods", pod("three", asking("200m", "512Mi")))


def test_a_dry_run_uses_nothing(store: Store) -> None:
    made = quota(store, HARD)
    store.create("pods", pod("one", asking("800m", "512Mi")), dry_run=True)
    assert {str(amount) for amount in used(store, made).values()} == {"0"}


def test_an_init_container_counts_where_it_needs_more(store: Store) -> None:
    made = quota(store, HARD)
    store.create("pods", pod("one", asking("200m", "512Mi"), init=asking("500m", "64Mi")))
    assert {name: str(amount) for name, amount in used(store, made).items()} == {
        "requests.cpu": "500m",
        "requests.memory": "512Mi",
        "limits.cpu": "500m",
        "limits.memory": "512Mi",
    }


def test_a_pod_that_has_ended_is_an_object_but_uses_nothing(store: Store) -> None:
    made = quota(store, {"pods": "1", "count/pods": "2", "cpu": "1"})
    store.create("pods", pod("one", asking("1", "1Mi")))
    assert "exceeded quota: small, requested: cpu=1,pods=1" in refusal(
        store, "pods", pod("b", asking("1", "1"))
    )
    store.modify("pods", "default", "one", lambda o: o["status"].update(phase="Failed"), subresource="status")
    store.create("pods", pod("two", asking("1", "1Mi")))
    assert {n: str(q) for n, q in used(store, made).items()} == {"pods": "1", "count/pods": "2", "cpu": "1"}


def test_claims_are_counted_by_size_and_by_class(store: Store) -> None:
    of_class = "slow.storageclass.storage.k8s.io/requests.storage"
    made = quota(store, {"requests.storage": "3Gi", "persistentvolumeclaims": "5", of_class: "10Gi"})
    store.create("persistentvolumeclaims", claim("a", "2Gi"))
    text = "exceeded quota: small, requested: requests.storage=2Gi, used: requests.storage=2Gi, limited: "
    assert f"{text}requests.storage=3Gi" in refusal(store, "persistentvolumeclaims", claim("b", "2Gi"))
    grown = store.get("persistentvolumeclaims", "default", "a")
    grown["spec"]["resources"]["requests"]["storage"] = "4Gi"
    with pytest.raises(StatusError, match=r"requested: requests.storage=2Gi, used: requests.storage=2Gi"):
        store.update("persistentvolumeclaims", grown)
    assert str(used(store, made)[of_class]) == "2Gi"


def test_any_kind_can_be_counted(store: Store) -> None:
    quota(store, {"count/configmaps": "1", "count/deployments.apps": "0"})
    store.create("configmaps", {"metadata": {"name": "a", "namespace": "default"}})
    text = refusal(store, "configmaps", {"metadata": {"name": "b", "namespace": "default"}})
    assert text.endswith(
        "requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1"
    )


SCOPED = [
    ({"scopes": ["Terminating"]}, {"activeDeadlineSeconds": 60}, {}),
    ({"scopes": ["NotTerminating"]}, {}, {"activeDeadlineSeconds": 60}),
    (
        {
            "scopeSelector": {
                "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
            }
        },
        {"priorityClassName": "high"},
        {"priorityClassName": "low"},
    ),
]


@pytest.mark.parametrize(("scope", "inside", "outside"), SCOPED)
def test_a_quota_with_scopes_counts_the_pods_in_them(
    store: Store, scope: Object, inside: Object, outside: Object
) -> None:
    quota(store, {"pods": "0"}, **scope)
    store.create("pods", pod("out", {}, **outside))
    assert "exceeded quota" in refusal(store, "pods", pod("in", {}, **inside))


def test_a_quota_of_best_effort_pods(store: Store) -> None:
    quota(store, {"pods": "0"}, scopes=["BestEffort"])
    store.create("pods", pod("asks", asking("1m", "1Mi")))
    assert "exceeded quota" in refusal(store, "pods", pod("asks-nothing", {}))


def test_a_limit_range_fills_in_what_containers_leave_out(store: Store) -> None:
    quota(store, HARD)
    limit_range(
        store,
        {
            "type": "Container",
            "default": {"cpu": "200m", "memory": "64Mi"},
            "defaultRequest": {"cpu": "100m"},
        },
    )
    made = store.create("pods", pod("p", {}, init={"requests": {"cpu": "50m"}}))
    (main,), (first,) = made["spec"]["containers"], made["spec"]["initContainers"]
    limits = {"cpu": "200m", "memory": "64Mi"}
    assert main["resources"] == {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": limits}
    assert first["resources"] == {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": limits}
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container main; "
        "cpu, memory limit for container main; memory request for init container first; "
        "cpu, memory limit for init container first"
    )
    assert made["status"]["qosClass"] == qos_class(made["spec"]) == "Burstable"


OUTSIDE = [
    (
        {"min": {"cpu": "100m"}},
        asking("50m", "1Mi"),
        "minimum cpu usage per Container is 100m, but request is 50m",
    ),
    (
        {"max": {"memory": "1Gi"}},
        asking("1", "2Gi"),
        "maximum memory usage per Container is 1Gi, but limit is 2Gi",
    ),
    (
        {"maxLimitRequestRatio": {"cpu": "2"}},
        asking("100m", "1Mi", {"cpu": "300m"}),
        "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
    ),
]


@pytest.mark.parametrize(("bounds", "resources", "text"), OUTSIDE)
def test_a_container_outside_its_limits_is_refused(
    store: Store, bounds: Object, resources: Object, text: str
) -> None:
    limit_range(store, {"type": "Container", **bounds})
    assert refusal(store, "pods", pod("p", resources)) == f'pods "p" is forbidden: {text}'


def test_a_pod_and_a_claim_have_limits_of_their_own(store: Store) -> None:
    limit_range(
        store,
        {"type": "Pod", "max": {"cpu": "1", "memory": "1Gi"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}},
    )
    assert refusal(store, "pods", pod("p", {"requests": {"cpu": "1"}})) == (
        'pods "p" is forbidden: [maximum cpu usage per Pod is 1.  No limit is specified, '
        "maximum memory usage per Pod is 1Gi.  No limit is specified]"
    )
    text = refusal(store, "persistentvolumeclaims", claim("a", "3Gi"))
    assert text.endswith("maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi")
    store.create("persistentvolumeclaims", claim("b", "2Gi"))


INVALID: list[tuple[str, Object, str]] = [
    ("resourcequotas", {"hard": {"cpus": "1"}}, 'spec.hard[cpus]: Invalid value: "cpus": must be a standard'),
    ("resourcequotas", {"hard": {"pods": "-1"}}, 'spec.hard[pods]: Invalid value: "-1": must be greater'),
    ("resourcequotas", {"scopes": ["Odd"]}, 'spec.scopes: Unsupported value: "Odd"'),
    ("limitranges", {"limits": [{"type": "Volume"}]}, 'spec.limits[0].type: Unsupported value: "Volume"'),
    (
        "limitranges",
        {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]},
        "min value 2 is greater than max value 1",
    ),
    (
        "pods",
        pod("p", {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})["spec"],
        'resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
]


@pytest.mark.parametrize(("plural", "spec", "text"), INVALID)
def test_what_makes_no_sense_is_refused(store: Store, plural: str, spec: Object, text: str) -> None:
    with pytest.raises(StatusError) as refused:
        store.create(plural, {"metadata": {"name": "a", "namespace": "default"}, "spec": spec})
    assert refused.value.code == 422
    assert text in str(refused.value)
