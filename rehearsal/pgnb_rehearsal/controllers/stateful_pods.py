"""The identity of a StatefulSet's pods: ordinal, name, host name, claims (stateful_set_utils.go)."""

from __future__ import annotations

import copy

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.pods import from_template

REVISION_LABEL = "controller-revision-hash"


def ordinals(owner: Object) -> range:
    """The ordinals that the StatefulSet asks for."""
    start = (owner["spec"].get("ordinals") or {}).get("start", 0)
    return range(start, start + owner["spec"]["replicas"])


def ordinal(owner: Object, pod: Object) -> int:
    """The number at the end of the pod's name; -1 when it is none."""
    text = str(pod["metadata"]["name"]).removeprefix(f"{owner['metadata']['name']}-")
    return int(text) if text.isdigit() else -1


def revision_of(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))


def template_of(revision: Object) -> Object:
    """The pod template that a ControllerRevision holds."""
    template = copy.deepcopy(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return dict(template)


def build(owner: Object, number: int, template: Object, revision: str) -> Object:
    """The pod of an ordinal, with its host name, subdomain and claims."""
    name = f"{owner['metadata']['name']}-{number}"
    labels = {
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(number),
        REVISION_LABEL: revision,
    }
    pod = from_template(template, owner, name=name, labels=labels)
    spec = pod["spec"]
    spec["hostname"] = name
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    claimed = [_volume(claim, name) for claim in owner["spec"].get("volumeClaimTemplates") or ()]
    names = {volume["name"] for volume in claimed}
    spec["volumes"] = claimed + [entry for entry in spec.get("volumes") or () if entry["name"] not in names]
    return pod


def _volume(claim: Object, pod_name: str) -> Object:
    name = claim["metadata"]["name"]
    return {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{pod_name}"}}


def claims(owner: Object, number: int) -> list[Object]:
    """The claims of an ordinal, from volumeClaimTemplates; they carry the selector's labels."""
    return [_claim(owner, template, number) for template in owner["spec"].get("volumeClaimTemplates") or ()]


def _claim(owner: Object, template: Object, number: int) -> Object:
    labels = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    metadata = copy.deepcopy(template["metadata"])
    metadata["name"] = f"{metadata['name']}-{owner['metadata']['name']}-{number}"
    metadata["namespace"] = owner["metadata"]["namespace"]
    metadata["labels"] = (metadata.get("labels") or {}) | labels
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": copy.deepcopy(template["spec"]),
    }
