"""ControllerRevisions: the history of a StatefulSet's template (kubernetes, pkg/controller/history)."""

from __future__ import annotations

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers.base import is_controlled_by, key_of, owner_reference
from pgnb_rehearsal.controllers.hashing import template_hash
from pgnb_rehearsal.controllers.stateful_pods import revision_of

_HASH_LABEL = "controller.kubernetes.io/hash"


class Revisions:
    """Reads and writes the ControllerRevisions of StatefulSets."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, owner: Object) -> tuple[Object, Object]:
        """(the revision that the pods had so far, the one of the present template), made if missing."""
        known = self._owned(owner)
        update = self._update(owner, known)
        wanted = owner.get("status", {}).get("currentRevision")
        current = next((entry for entry in known if entry["metadata"]["name"] == wanted), update)
        return current, update

    def _owned(self, owner: Object) -> list[Object]:
        every = self._store.list("controllerrevisions", owner["metadata"]["namespace"])
        return sorted((e for e in every if is_controlled_by(e, owner)), key=lambda entry: entry["revision"])

    def _update(self, owner: Object, known: list[Object]) -> Object:
        desired = _build(owner, max((entry["revision"] for entry in known), default=0) + 1)
        for entry in known:
            if entry["data"] == desired["data"]:
                return self._renumbered(entry, known)
        return self._store.create("controllerrevisions", desired)

    def _renumbered(self, entry: Object, known: list[Object]) -> Object:
        """An older template that is used again becomes the latest revision."""
        if entry is known[-1]:
            return entry
        entry["revision"] = known[-1]["revision"] + 1
        return self._store.update("controllerrevisions", entry)

    def forget(self, owner: Object, pods: list[Object]) -> None:
        """Deletes revisions that no pod has, beyond revisionHistoryLimit."""
        status = owner.get("status", {})
        used = {revision_of(pod) for pod in pods} | {
            status.get("currentRevision"),
            status.get("updateRevision"),
        }
        idle = [entry for entry in self._owned(owner)[:-1] if entry["metadata"]["name"] not in used]
        surplus = len(idle) - owner["spec"].get("revisionHistoryLimit", 10)
        for entry in idle[: max(0, surplus)]:
            self._store.delete("controllerrevisions", *key_of(entry))


def _build(owner: Object, number: int) -> Object:
    data = {"spec": {"template": owner["spec"]["template"] | {"$patch": "replace"}}}
    digest = template_hash(data)
    labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{owner['metadata']['name']}-{digest}",
            "namespace": owner["metadata"]["namespace"],
            "labels": labels | {_HASH_LABEL: digest},
            "ownerReferences": [owner_reference(owner)],
        },
        "data": data,
        "revision": number,
    }
