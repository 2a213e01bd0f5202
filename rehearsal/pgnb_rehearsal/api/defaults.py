"""The values that the API server fills in when a client leaves them out.

Kubernetes' `pkg/apis/*/v1/defaults.go`; every function changes its argument in place.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.resources import Resource


def set_defaults(resource: Resource, obj: Object) -> None:
    """Fills in what a client may leave out of an object of this resource."""
    setter = _SETTERS.get(resource.plural)
    if setter is not None:
        setter(obj)


def _fill(target: Object, **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)


# -- pods ------------------------------------------------------------------------------------------------


def _pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    _fill(spec, enableServiceLinks=True)
    obj.setdefault("status", {"phase": "Pending"})


def pod_spec(spec: Object) -> None:
    """Defaults of a pod's or a template's spec."""
    for volume in spec.get("volumes") or ():
        _volume(volume)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        _container(container)
    _fill(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]


def _container(container: Object) -> None:
    image = container.get("image", "")
    _fill(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if _tag(image) == "latest" else "IfNotPresent",
    )
    for port in container.get("ports") or ():
        _fill(port, protocol="TCP")
    for entry in container.get("env") or ():
        reference = lookup(entry, "valueFrom", "fieldRef")
        if reference is not None:
            _fill(reference, apiVersion="v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    _requests_from_limits(container["resources"])


def _tag(image: str) -> str:
    if "@" in image:
        return "@digest"
    last = image.rsplit("/", 1)[-1]
    return last.split(":", 1)[1] if ":" in last else "latest"


def _requests_from_limits(resources: Object) -> None:
    limits = resources.get("limits")
    if limits:
        requests = resources.setdefault("requests", {})
        for name, value in limits.items():
            requests.setdefault(name, value)


def _probe(probe: Object) -> None:
    _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if "httpGet" in probe:
        _fill(probe["httpGet"], path="/", scheme="HTTP")


def _volume(volume: Object) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if isinstance(volume.get(source), dict):
            _fill(volume[source], defaultMode=0o644)
    if "hostPath" in volume:
        _fill(volume["hostPath"], type="")
    for item in lookup(volume, "downwardAPI", "items") or ():
        _downward(item)
    for source in lookup(volume, "projected", "sources") or ():
        if "serviceAccountToken" in source:
            _fill(source["serviceAccountToken"], expirationSeconds=3600)
        for item in lookup(source, "downwardAPI", "items") or ():
            _downward(item)


def _downward(item: Object) -> None:
    if "fieldRef" in item:
        _fill(item["fieldRef"], apiVersion="v1")


# -- workloads -------------------------------------------------------------------------------------------

_MOST_FAILURES = 2**31 - 1
"""The back-off limit of a Job whose indexes have limits of their own."""


def _template(spec: Object) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    pod_spec(template.setdefault("spec", {}))


def _deployment(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    strategy = spec.setdefault("strategy", {})
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        _fill(rolling, maxUnavailable="25%", maxSurge="25%")
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    obj.setdefault("status", {})


def _replica_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    _fill(spec, replicas=1)
    obj.setdefault("status", {"replicas": 0})


def _stateful_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    _fill(spec, podManagementPolicy="OrderedReady", replicas=1, revisionHistoryLimit=10)
    strategy = spec.setdefault("updateStrategy", {})
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy.setdefault("rollingUpdate", {}), partition=0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    _fill(retention, whenDeleted="Retain", whenScaled="Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        _fill(claim, kind="PersistentVolumeClaim", apiVersion="v1")
        _claim(claim)
    obj.setdefault("status", {"replicas": 0, "availableReplicas": 0})


def _job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    _fill(spec, parallelism=1, completionMode="NonIndexed", suspend=False)
    _fill(spec, backoffLimit=_MOST_FAILURES if "backoffLimitPerIndex" in spec else 6)
    _fill(spec, podReplacementPolicy="Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    _failure_policy(spec)
    obj.setdefault("status", {})


def _failure_policy(spec: Object) -> None:
    for rule in lookup(spec, "podFailurePolicy", "rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            _fill(pattern, status="True")


def _cron_job(obj: Object) -> None:
    """The job's template gets the defaults of its pods; those of a Job come when it is made into one."""
    spec = obj.setdefault("spec", {})
    _fill(spec, concurrencyPolicy="Allow", suspend=False)
    _fill(spec, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    job = spec.setdefault("jobTemplate", {})
    job.setdefault("metadata", {})
    _template(job.setdefault("spec", {}))
    _failure_policy(job["spec"])
    obj.setdefault("status", {})


# -- the rest --------------------------------------------------------------------------------------------


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, type="ClusterIP", sessionAffinity="None")
    if spec["type"] != "ExternalName":
        _fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _fill(spec, externalTrafficPolicy="Cluster")
    for port in spec.get("ports") or ():
        _fill(port, protocol="TCP")
        _fill(port, targetPort=port.get("port"))
    obj.setdefault("status", {"loadBalancer": {}})


def _claim(obj: Object) -> None:
    _fill(obj.setdefault("spec", {}), volumeMode="Filesystem")
    obj.setdefault("status", {"phase": "Pending"})


def _volume_object(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    obj.setdefault("status", {"phase": "Pending"})


def _namespace(obj: Object) -> None:
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    obj.setdefault("status", {"phase": "Active"})


def _secret(obj: Object) -> None:
    """`stringData` is written over `data` and not kept."""
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
    _fill(obj, type="Opaque")


def _binding(obj: Object) -> None:
    group = "rbac.authorization.k8s.io"
    reference = obj.get("roleRef")
    if isinstance(reference, dict):
        reference.setdefault("apiGroup", group)
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _fill(subject, apiGroup=group)


def _storage_class(obj: Object) -> None:
    _fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _quota(obj: Object) -> None:
    obj.setdefault("spec", {})
    obj.setdefault("status", {})


def _limit_range(obj: Object) -> None:
    """A container's default limit is its maximum, its default request that limit, else its minimum."""
    for item in obj.setdefault("spec", {}).get("limits") or ():
        if item.get("type") == "Container":
            for key, source in (("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")):
                filled = {**(item.get(source) or {}), **(item.get(key) or {})}
                item |= {key: filled} if filled else {}


def _endpoint_slice(obj: Object) -> None:
    for port in obj.get("ports") or ():
        _fill(port, name="", protocol="TCP")


def _endpoints(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            _fill(port, protocol="TCP")


_SETTERS: dict[str, Callable[[Object], None]] = {
    "clusterrolebindings": _binding,
    "cronjobs": _cron_job,
    "deployments": _deployment,
    "endpoints": _endpoints,
    "endpointslices": _endpoint_slice,
    "jobs": _job,
    "limitranges": _limit_range,
    "namespaces": _namespace,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume_object,
    "pods": _pod,
    "replicasets": _replica_set,
    "resourcequotas": _quota,
    "rolebindings": _binding,
    "secrets": _secret,
    "services": _service,
    "statefulsets": _stateful_set,
    "storageclasses": _storage_class,
}
