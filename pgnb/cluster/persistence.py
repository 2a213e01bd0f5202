"""Find out whether data outlives a pod: a restart on a volume that is not persistent loses every row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb.core.errors import ParameterError

_ON_A_NETWORK = (
    "nfs",
    "iscsi",
    "fc",
    "rbd",
    "cephfs",
    "glusterfs",
    "cinder",
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "gcePersistentDisk",
    "vsphereVolume",
    "portworxVolume",
    "photonPersistentDisk",
)
"""Volumes in a pod's spec without a claim that exist without the pod."""
_HOSTNAME = "kubernetes.io/hostname"


def outlives_pod(source: str, spec: Mapping[str, Any]) -> bool:
    """Return whether the next pod finds the data of a volume of that kind in a pod of that spec.

    A generic ephemeral volume's claim is deleted with its pod. A hostPath is found again only if the pod can
    run on no other node.
    """
    if source == "hostPath":
        return bound_to_one_node(spec)
    return source == "persistentVolumeClaim" or source in _ON_A_NETWORK


def bound_to_one_node(spec: Mapping[str, Any]) -> bool:
    """Return whether a pod's spec allows one node only, by node selector or by required affinity."""
    if _HOSTNAME in (spec.get("nodeSelector") or {}):
        return True
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [_one_node(term) for term in required.get("nodeSelectorTerms") or []]
    return bool(terms) and all(terms) and len(set(terms)) == 1


def _one_node(term: Mapping[str, Any]) -> str:
    """Return the one node that a term allows; "" if it allows several."""
    labels = [rule for rule in term.get("matchExpressions") or [] if rule.get("key") == _HOSTNAME]
    names = [rule for rule in term.get("matchFields") or [] if rule.get("key") == "metadata.name"]
    values = [rule["values"] for rule in (*labels, *names) if rule.get("operator") == "In"]
    return next((str(allowed[0]) for allowed in values if len(allowed) == 1), "")


def assert_claims_kept(label: str, spec: Mapping[str, Any]) -> None:
    """Raise ParameterError if a StatefulSet's claims are deleted when it is scaled down."""
    policy = (spec.get("persistentVolumeClaimRetentionPolicy") or {}).get("whenScaled", "Retain")
    if policy == "Delete" and spec.get("volumeClaimTemplates"):
        raise ParameterError(
            f"{label} would lose its data when it is scaled down",
            found="persistentVolumeClaimRetentionPolicy.whenScaled: Delete",
            remedy="Set whenScaled to Retain in its manifest first: otherwise Kubernetes deletes the claims.",
        )
