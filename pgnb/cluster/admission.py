"""Pods that will be made, tried on the API server beforehand, and why a controller could make none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pgnb.cluster.client import Api
from pgnb.cluster.objects import events_of, get
from pgnb.cluster.resources import resource
from pgnb.cluster.workloads import Workload
from pgnb.core.checks import Check
from pgnb.core.errors import AccessDenied, ClusterError, Rejected

_TRIED = "pgnb-dry-run"
_HOPELESS = (
    "violates PodSecurity",
    "must specify",
    "usage per ",
    "unable to validate against any security context",
)
"""Words of refusals that time alone does not change."""


def pod_checks(
    api: Api, pods: Mapping[str, Mapping[str, Any]], *, replacing: Collection[str] = ()
) -> list[Check]:
    """Check by a dry run that the API server would take each pod: `pods` are manifests by what they are for.

    Quotas, limit ranges, Pod Security and admission webhooks answer as they would later. Nothing is made. Of
    pods that come after another one has gone (`replacing`) a quota that is full now says nothing yet.
    """
    return [_pod_check(api, what, manifest, what in replacing) for what, manifest in pods.items()]


def pod_of_workload(workload: Mapping[str, Any]) -> dict[str, Any]:
    """The pod that a Deployment's or StatefulSet's manifest would make (of the latter its first)."""
    name, spec = workload["metadata"]["name"], workload["spec"]
    meta, pod = spec["template"].get("metadata") or {}, dict(spec["template"]["spec"])
    claimed = [t["metadata"]["name"] for t in spec.get("volumeClaimTemplates") or []]
    if claimed:
        claims = [{"name": c, "persistentVolumeClaim": {"claimName": f"{c}-{name}-0"}} for c in claimed]
        pod["volumes"] = [*(pod.get("volumes") or []), *claims]
    kept = {key: meta[key] for key in ("labels", "annotations") if meta.get(key)}
    metadata = {"name": f"{name}-{_TRIED}", **kept}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def _pod_check(api: Api, what: str, manifest: Mapping[str, Any], replaces: bool) -> Check:
    path, wanted = resource("pods").path(api.namespace), "a pod that the API server takes"
    try:
        api.call("POST", path, query={"dryRun": "All"}, body=manifest)
    except AccessDenied as refused:
        if api.journal.dry_run:
            return Check.fact(what, f"not tried, for this user may make no pod: {refused.message}")
        return Check(what, False, refused.message, wanted, refused.remedy)
    except Rejected as refused:
        later = replaces and "exceeded quota" in refused.message
        return Check(what, False, refused.message, wanted, refused.remedy, advice=later)
    return Check(what, True, "the API server would take it", wanted)


def not_created(api: Api, workload: Workload) -> str:
    """Why the controller of a workload without pods could make none; empty when nothing says so."""
    try:
        found = get(api, workload.plural, workload.name) or {}
        conditions = (found.get("status") or {}).get("conditions") or []
        failed = [c for c in conditions if c.get("type") == "ReplicaFailure" and c.get("status") == "True"]
        if failed:
            return str(failed[0].get("message", ""))
        if workload.kind != "StatefulSet":
            return ""
        events = events_of(api, found["metadata"]["uid"]) if found else []
    except ClusterError:
        return ""  # It only explains: without the right to read it, "no pod" must do.
    said = [str(event.get("message", "")) for event in events if event.get("reason") == "FailedCreate"]
    return said[-1] if said else ""


def permanent_refusal(message: str) -> bool:
    """Whether waiting does not help against a controller's refusal."""
    return any(words in message for words in _HOPELESS)
