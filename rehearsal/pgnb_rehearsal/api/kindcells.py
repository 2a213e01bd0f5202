"""Cells of one kind's table each, as kube-apiserver's printers compute them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pgnb_rehearsal.api.cells import NONE, between, joined, since
from pgnb_rehearsal.api.objects import Object, lookup


def ready_of_desired(obj: Object) -> str:
    """Ready replicas of those desired."""
    return f"{lookup(obj, 'status', 'readyReplicas') or 0}/{lookup(obj, 'spec', 'replicas') or 0}"


def service_ports(obj: Object) -> str:
    """`5432/TCP`, with the node's port where there is one."""
    ports = lookup(obj, "spec", "ports") or ()
    parts = [
        f"{port['port']}:{port['nodePort']}/{port['protocol']}" if port.get("nodePort") else _plain_port(port)
        for port in ports
    ]
    return ",".join(parts) or NONE


def _plain_port(port: dict[str, Any]) -> str:
    return f"{port['port']}/{port['protocol']}"


def external_ip(obj: Object) -> str:
    """What leads to a Service from outside."""
    if lookup(obj, "spec", "type") == "ExternalName":
        return lookup(obj, "spec", "externalName") or NONE
    return ",".join(lookup(obj, "spec", "externalIPs") or ()) or NONE


def data_count(obj: Object) -> int:
    """The number of keys."""
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


def claim_status(obj: Object) -> str:
    """The phase, or that it is going away."""
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else lookup(obj, "status", "phase") or ""


def claim_of_volume(obj: Object) -> str:
    """The claim that a volume is bound to."""
    reference = lookup(obj, "spec", "claimRef")
    return f"{reference['namespace']}/{reference['name']}" if reference else ""


def event_source(obj: Object) -> str:
    """Component and host that reported an event."""
    parts = [
        lookup(obj, "source", "component") or obj.get("reportingComponent"),
        lookup(obj, "source", "host") or obj.get("reportingInstance"),
    ]
    return ", ".join(part for part in parts if part)


def event_object(obj: Object) -> str:
    """`pod/name`."""
    involved = obj.get("involvedObject") or {}
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def event_last(obj: Object) -> str:
    """The time since an event was last seen."""
    return since(
        lookup(obj, "series", "lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    )


def event_first(obj: Object) -> str:
    """The time since an event was first seen."""
    return since(obj.get("firstTimestamp") or obj.get("eventTime"))


def event_count(obj: Object) -> Any:
    """How often an event was seen."""
    return lookup(obj, "series", "count") or obj.get("count") or 1


def job_status(obj: Object) -> str:
    """Complete, Failed, or what a Job is doing."""
    conditions = lookup(obj, "status", "conditions") or ()
    true = [c["type"] for c in conditions if c["status"] == "True"]
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if kind in true:
            return shown
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if kind in true:
            return kind
    return "Running"


def job_completions(obj: Object) -> str:
    """Completions of those desired."""
    done = lookup(obj, "status", "succeeded") or 0
    wanted = lookup(obj, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = lookup(obj, "spec", "parallelism") or 1
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def job_duration(obj: Object) -> str:
    """How long a Job took, or takes."""
    return between(lookup(obj, "status", "startTime"), lookup(obj, "status", "completionTime"))


def cron_job_suspended(obj: Object) -> str:
    """Whether a CronJob makes no more Jobs."""
    suspended = lookup(obj, "spec", "suspend")
    return "<unset>" if suspended is None else str(bool(suspended))


def cron_job_last(obj: Object) -> str:
    """How long ago the latest Job of a CronJob was due."""
    last = lookup(obj, "status", "lastScheduleTime")
    return since(last) if last else NONE


def endpoint_addresses(obj: Object) -> str:
    """The first addresses with their ports."""
    found = []
    for subset in obj.get("subsets") or ():
        ports = [port["port"] for port in subset.get("ports") or ()]
        for entry in subset.get("addresses") or ():
            found += [f"{entry['ip']}:{port}" for port in ports] or [entry["ip"]]
    return joined(found)


def slice_ports(obj: Object) -> str:
    """The ports of an EndpointSlice."""
    return joined([str(port.get("port", "*")) for port in obj.get("ports") or ()]).replace(NONE, "<unset>")


def slice_addresses(obj: Object) -> str:
    """The first addresses of an EndpointSlice."""
    found = [ip for entry in obj.get("endpoints") or () for ip in entry.get("addresses") or ()]
    return joined(found).replace(NONE, "<unset>")


def node_status(obj: Object) -> str:
    """Ready or not, and whether pods may come."""
    conditions = lookup(obj, "status", "conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
    words = {"True": "Ready", "False": "NotReady"}
    text = words.get(ready, "Unknown")
    return text + (",SchedulingDisabled" if lookup(obj, "spec", "unschedulable") else "")


def node_roles(obj: Object) -> str:
    """The roles that a node is labelled with."""
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    return ",".join(sorted(key[len(prefix) :] for key in labels if key.startswith(prefix))) or NONE


def node_address(kind: str) -> Callable[[Object], str]:
    """A cell with the node's address of one kind."""

    def cell(obj: Object) -> str:
        addresses = lookup(obj, "status", "addresses") or ()
        return next((str(a["address"]) for a in addresses if a["type"] == kind), NONE)

    return cell


def quota_requests(obj: Object) -> str:
    """What a quota limits but for limits: `name: used/hard`."""
    return _quota(obj, lambda name: not name.startswith("limits."))


def quota_limits(obj: Object) -> str:
    """The limits that a quota limits: `name: used/hard`."""
    return _quota(obj, lambda name: name.startswith("limits."))


def _quota(obj: Object, shown: Callable[[str], bool]) -> str:
    hard, used = (lookup(obj, "status", key) or {} for key in ("hard", "used"))
    return ", ".join(f"{name}: {used.get(name, 0)}/{hard[name]}" for name in sorted(hard) if shown(name))


def role(obj: Object) -> str:
    """The role that a binding refers to."""
    reference = obj.get("roleRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


def subjects(kind: str) -> Callable[[Object], str]:
    """A cell with a binding's subjects of one kind."""

    def cell(obj: Object) -> str:
        found = [s for s in obj.get("subjects") or () if s.get("kind") == kind]
        spaced = [f"{s['namespace']}/{s['name']}" if s.get("namespace") else s["name"] for s in found]
        return ", ".join(spaced)

    return cell


def revision_owner(obj: Object) -> str:
    """The controller of a ControllerRevision."""
    owners = obj["metadata"].get("ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    return f"{owner['kind'].lower()}.{owner['apiVersion'].split('/')[0]}/{owner['name']}" if owner else NONE
