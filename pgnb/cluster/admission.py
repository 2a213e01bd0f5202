"""Try planned pods on the API server by a dry run, and explain why a controller could create none."""

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
"""Texts of refusals for which waiting does not help."""


def pod_checks(
    api: Api, pods: Mapping[str, Mapping[str, Any]], *, replacing: Collection[str] = ()
) -> list[Check]:
    """Check by a dry run that the API server would accept each pod: `pods` are manifests by their purpose.

    Quotas, limit ranges, Pod Security and admission webhooks answer as they would later. Nothing is created.
    For pods that come after another one has ended (`replacing`) a quota that is full now is only advice.
    """
    return [_pod_check(api, what, manifest, what in replacing) for what, manifest in pods.items()]


def pod_of_workload(workload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the (first) pod that a Deployment's or StatefulSet's manifest would make."""
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
    path, wanted = resource("pods").path(api.namespace), "a pod that the API server accepts"
    try:
        api.call("POST", path, query={"dryRun": "All"}, body=manifest)
    except AccessDenied as refused:
        if api.journal.dry_run:
            return Check.fact(what, f"not tried, because this user may not create pods: {refused.message}")
        return Check(what, False, refused.message, wanted, refused.remedy)
    except Rejected as refused:
        later = replaces and "exceeded quota" in refused.message
        return Check(what, False, refused.message, wanted, refused.remedy, advice=later)
    return Check(what, True, "the API server would accept it", wanted)


def not_created(api: Api, workload: Workload) -> str:
    """Return why the controller of a workload without pods could create none; "" if unknown."""
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
        return ""  # Only an explanation: without the right to read events, "no pod" must be enough.
    said = [str(event.get("message", "")) for event in events if event.get("reason") == "FailedCreate"]
    return said[-1] if said else ""


def permanent_refusal(message: str) -> bool:
    """Return whether waiting cannot help against a controller's refusal."""
    return any(words in message for words in _HOPELESS)
