"""PersistentVolumeClaims: a directory for each, as a hostpath provisioner makes it, gone with its claim.

Binding is immediate, by the class `standard`. A claim that a pod uses is kept until the pod has ended
(`kubernetes.io/pvc-protection`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Event, Store
from pgnb_rehearsal.controllers.base import Controller, key_of
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.controllers.pods import ENDED, phase
from pgnb_rehearsal.controllers.queue import Key

PROTECTION = "kubernetes.io/pvc-protection"
PROVISIONER = "local/hostpath"
STORAGE_CLASS = "standard"
_PROVISIONER_NOTES = {
    "volume.beta.kubernetes.io/storage-provisioner": PROVISIONER,
    "volume.kubernetes.io/storage-provisioner": PROVISIONER,
}
_BOUND_NOTES = {
    "pv.kubernetes.io/bind-completed": "yes",
    "pv.kubernetes.io/bound-by-controller": "yes",
}


class ClaimController(Controller):
    """Provisions and binds claims below `volumes`, a directory of this machine, and clears up after them."""

    resource = "persistentvolumeclaims"
    watches = ("pods",)

    def __init__(self, store: Store, volumes: Path, owner: int | None) -> None:
        """`owner`: the user and group that a volume's directory belongs to, None for this process's own."""
        super().__init__(store)
        self._volumes = volumes
        self._owner = owner
        self._events = EventRecorder(store, "persistentvolume-controller")

    def related(self, plural: str, event: Event) -> Iterable[Key]:
        """Claims that a pod which ended or went away no longer holds."""
        if event.type == "DELETED" or phase(event.object) in ENDED:
            namespace = event.object["metadata"]["namespace"]
            yield from (Key(namespace, name) for name in claim_names(event.object))

    def reconcile(self, key: Key) -> float | None:
        claim = self.store.find("persistentvolumeclaims", *key)
        if claim is None:
            self._reclaim(key)
        elif "deletionTimestamp" in claim["metadata"]:
            self._let_go(claim)
        elif not claim["spec"].get("volumeName"):
            self._provision(claim)
        elif claim["status"].get("phase") != "Bound":
            self._settle(claim)
        return None

    def _provision(self, claim: Object) -> None:
        storage = claim["spec"].get("storageClassName")
        if storage != STORAGE_CLASS:
            self._refuse(claim, storage)
            return
        claim = self._annotate(claim, _PROVISIONER_NOTES)
        name = f"pv-{claim['metadata']['uid']}"
        directory = self._volumes / name
        directory.mkdir(exist_ok=True)
        directory.chmod(0o777)  # as hostpath provisioners do: whatever uid the container has may write
        if self._owner is not None:
            os.chown(directory, self._owner, self._owner)
        if self.store.find("persistentvolumes", None, name) is None:
            self.store.create("persistentvolumes", _volume(claim, name, directory))
            self.store.modify("persistentvolumes", None, name, _bind_volume, subresource="status")
        claim["spec"]["volumeName"] = name
        self._settle(self._annotate(claim, _BOUND_NOTES))

    def _refuse(self, claim: Object, storage: str | None) -> None:
        if storage:
            message = f'storageclass.storage.k8s.io "{storage}" not found'
            self._events.warning(claim, "ProvisioningFailed", message)
        else:
            message = "no persistent volumes available for this claim and no storage class is set"
            self._events.normal(claim, "FailedBinding", message)

    def _annotate(self, claim: Object, notes: dict[str, str]) -> Object:
        claim["metadata"]["annotations"] = (claim["metadata"].get("annotations") or {}) | notes
        return self.store.update("persistentvolumeclaims", claim)

    def _settle(self, claim: Object) -> None:
        spec = claim["spec"]
        status = {
            "phase": "Bound",
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
        }
        self.store.update("persistentvolumeclaims", claim | {"status": status}, subresource="status")

    def _let_go(self, claim: Object) -> None:
        """Takes the protection off as soon as no pod uses the claim."""
        namespace, name = key_of(claim)
        pods = self.store.list("pods", namespace)
        if any(name in claim_names(pod) and phase(pod) not in ENDED for pod in pods):
            return

        def change(current: Object) -> None:
            rest = [entry for entry in current["metadata"].get("finalizers") or () if entry != PROTECTION]
            current["metadata"]["finalizers"] = rest

        self.store.modify("persistentvolumeclaims", namespace, name, change)

    def _reclaim(self, key: Key) -> None:
        """The claim is gone: its volume (reclaimPolicy Delete) and the data go too."""
        for volume in self.store.list("persistentvolumes"):
            reference = volume["spec"].get("claimRef") or {}
            if (reference.get("namespace"), reference.get("name")) == key:
                shutil.rmtree(self._volumes / volume["metadata"]["name"], ignore_errors=True)
                self.store.remove("persistentvolumes", None, volume["metadata"]["name"])


def claim_names(pod: Object) -> tuple[str, ...]:
    """The claims that a pod's volumes name."""
    volumes = pod["spec"].get("volumes") or ()
    return tuple(v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v)


def _volume(claim: Object, name: str, directory: Path) -> Object:
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "hostPath": {"path": str(directory), "type": ""},
            "accessModes": spec["accessModes"],
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "apiVersion": "v1",
                "resourceVersion": metadata["resourceVersion"],
            },
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec["storageClassName"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
        },
    }


def _bind_volume(volume: Object) -> None:
    volume["status"] = {"phase": "Bound"}


def storage_class() -> Object:
    """The default class of the cluster."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
