"""Find exactly one Ready pod, or describe the pods that exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pgnb.cluster.client import Api, Object
from pgnb.cluster.objects import events_of, list_all
from pgnb.cluster.pod_state import condition, not_ready_reason
from pgnb.cluster.pods import Pod, likely_container
from pgnb.cluster.role_change_mark import told_changes
from pgnb.core.errors import ClusterError, PodError


def matching(api: Api, selector: str, container: str = "") -> tuple[Pod, ...]:
    """Return every pod that the selector matches, oldest first."""
    found = sorted(list_all(api, "pods", selector), key=lambda pod: pod["metadata"]["creationTimestamp"])
    return tuple(_seen(api, pod, likely_container(pod, container)) for pod in found)


def single_ready_pod(api: Api, selector: str, container: str = "") -> Pod:
    """Return the only pod that matches, is Ready and is not being deleted.

    Raises PodError with all that match.
    """
    found = list_all(api, "pods", selector)
    living = [pod for pod in found if _in_service(pod)]
    if len(living) == 1:
        return Pod.of(living[0], container)
    if living:
        raise _several(api, selector, living)
    raise _none_ready(api, selector, found) if found else _none_at_all(api, selector)


def _seen(api: Api, pod: Object, container: str) -> Pod:
    waits = (pod.get("status") or {}).get("phase") == "Pending"
    return Pod.of(pod, container, events_if_allowed(api, pod) if waits else ())


def events_if_allowed(api: Api, pod: Mapping[str, Any]) -> Sequence[Object]:
    """Return the events of a pod; none if the user may not read events, which only explain the status."""
    try:
        return events_of(api, pod["metadata"]["uid"])
    except ClusterError:
        return ()


def describe_pods(api: Api, pods: Sequence[Object]) -> str:
    """Return each pod with its state: Ready, or the reason why not."""
    texts = (
        (pod, not_ready_reason(pod, () if _in_service(pod) else events_if_allowed(api, pod))) for pod in pods
    )
    return "; ".join(f"{pod['metadata']['name']}: {text or 'Ready'}" for pod, text in texts)


def _in_service(pod: Object) -> bool:
    ready = condition(pod, "Ready").get("status") == "True"
    return ready and not pod["metadata"].get("deletionTimestamp")


def _several(api: Api, selector: str, living: Sequence[Object]) -> PodError:
    names = ", ".join(pod["metadata"]["name"] for pod in living)
    return PodError(
        f"{len(living)} Ready pods match {selector!r} in the namespace {api.namespace}",
        found=names,
        remedy="Use a label that only one of them has (kubectl get pods --show-labels); of a StatefulSet "
        "statefulset.kubernetes.io/pod-name=NAME.",
    )


def _none_ready(api: Api, selector: str, found: Sequence[Object]) -> PodError:
    return PodError(
        f"no pod that matches {selector!r} in the namespace {api.namespace} is Ready",
        found=describe_pods(api, found),
        remedy="Wait until it is Ready, or correct the reason: kubectl describe pod, kubectl logs.",
    )


def _none_at_all(api: Api, selector: str) -> PodError:
    others = list_all(api, "pods")
    labels = sorted(
        {
            f"{k}={v}"
            for pod in others
            for k, v in (pod["metadata"].get("labels") or {}).items()
            if k in ("app", "app.kubernetes.io/name", "app.kubernetes.io/instance")
        }
    )
    changes = told_changes(api)
    begun = "; ".join(one.summary for one in changes)
    remedy = " ".join(dict.fromkeys(one.remedy for one in changes))
    there = f"{len(others)} pods, labelled {', '.join(labels) or 'with no app label'}"
    return PodError(
        f"no pod in the namespace {api.namespace} matches {selector!r}",
        found=f"{begun}; {there}" if begun else there,
        remedy=remedy or ("Check the namespace and the selector; a workload that is scaled to 0 has no pod."),
    )
