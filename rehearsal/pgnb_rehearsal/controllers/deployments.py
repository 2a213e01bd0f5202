"""Deployments: scaling, Recreate and RollingUpdate, revisions (kubernetes, pkg/controller/deployment)."""

from __future__ import annotations

from collections.abc import Iterable

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Event, Store
from pgnb_rehearsal.controllers import rolling
from pgnb_rehearsal.controllers.base import Controller, controlling_owner, is_controlled_by, key_of
from pgnb_rehearsal.controllers.deployment_sets import (
    DESIRED,
    REVISION,
    Sets,
    annotate,
    build,
    counted,
    next_revision,
    replica_annotations,
    replica_sets_of,
    revision,
    split,
)
from pgnb_rehearsal.controllers.deployment_status import (
    calculated,
    has_deadline,
    is_complete,
    new_condition,
    rollout_status,
    set_condition,
    until_deadline,
)
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.controllers.pods import ENDED, condition, phase
from pgnb_rehearsal.controllers.queue import Key


class DeploymentController(Controller):
    resource = "deployments"
    watches = ("replicasets", "pods")

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._events = EventRecorder(store, "deployment-controller")

    @property
    def owner_kind(self) -> str:
        return "Deployment"

    def related(self, plural: str, event: Event) -> Iterable[Key]:
        if plural == "replicasets":
            return super().related(plural, event)
        return self._waiting_for_pod(event)

    def _waiting_for_pod(self, event: Event) -> Iterable[Key]:
        """Recreate waits for the old pods' end, which the old ReplicaSet's numbers do not show."""
        owner = controlling_owner(event.object)
        if owner is None or owner["kind"] != "ReplicaSet":
            return
        if event.type == "DELETED" or phase(event.object) in ENDED:
            namespace = event.object["metadata"]["namespace"]
            replica_set = self.store.find("replicasets", namespace, owner["name"])
            above = controlling_owner(replica_set) if replica_set else None
            if above is not None:
                yield Key(namespace, above["name"])

    def reconcile(self, key: Key) -> float | None:
        deployment = self.store.find("deployments", *key)
        if deployment is None:
            return None
        sets = split(deployment, replica_sets_of(self.store, deployment))
        if "deletionTimestamp" in deployment["metadata"]:
            return self._write(deployment, calculated(deployment, sets))
        if deployment["spec"].get("paused") or _was_scaled(deployment, sets):
            return self._scale(deployment, sets)
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return self._recreate(deployment, sets)
        return self._roll(deployment, sets)

    # -- the three ways ------------------------------------------------------------------------------------

    def _scale(self, deployment: Object, sets: Sets) -> float | None:
        """The number of pods changed (or the rollout is paused): no new ReplicaSet, only other numbers."""
        for replica_set, desired in rolling.proportional(deployment, sets):
            self._resize(deployment, replica_set, desired)
        status = calculated(deployment, sets)
        _mark_paused(deployment, status)
        return self._write(deployment, status)

    def _recreate(self, deployment: Object, sets: Sets) -> float | None:
        """All old pods end before the first new one begins."""
        active = [entry for entry in sets.old if entry["spec"]["replicas"]]
        for replica_set in active:
            self._resize(deployment, replica_set, 0)
        if active or self._old_pods_run(deployment, sets):
            return self._write(deployment, rollout_status(deployment, sets))
        deployment, sets = self._with_new(deployment, sets)
        if sets.new is not None:
            self._resize(deployment, sets.new, deployment["spec"]["replicas"])
        return self._conclude(deployment, sets)

    def _roll(self, deployment: Object, sets: Sets) -> float | None:
        """New pods up to maxSurge, then old ones down as far as maxUnavailable allows."""
        deployment, sets = self._with_new(deployment, sets)
        for step in (rolling.grown, rolling.shrunk):
            changes = step(deployment, sets)
            for replica_set, desired in changes:
                self._resize(deployment, replica_set, desired)
            if changes:
                break
        return self._conclude(deployment, sets)

    def _conclude(self, deployment: Object, sets: Sets) -> float | None:
        status = rollout_status(deployment, sets)
        if is_complete(deployment, status):
            self._forget_old(deployment, sets)
        return self._write(deployment, status)

    def _old_pods_run(self, deployment: Object, sets: Sets) -> bool:
        if counted(sets.old, "replicas"):
            return True
        pods = self.store.list("pods", deployment["metadata"]["namespace"])
        running = [pod for pod in pods if phase(pod) not in ENDED]
        return any(is_controlled_by(pod, entry) for pod in running for entry in sets.old)

    # -- the new ReplicaSet --------------------------------------------------------------------------------

    def _with_new(self, deployment: Object, sets: Sets) -> tuple[Object, Sets]:
        """The Deployment and its sets once the new ReplicaSet exists and says what it should."""
        number = next_revision(sets)
        if sets.new is not None:
            new = self._told(deployment, sets.new, number)
            sets = Sets(new, sets.old)
            name = new["metadata"]["name"]
            progress = new_condition(
                "Progressing", "True", "FoundNewReplicaSet", f'Found new replica set "{name}"'
            )
            fresh = condition(deployment, "Progressing") is None
            return self._announce(deployment, sets, progress if fresh else None), sets
        made = self._create(deployment, sets)
        if made is None:
            return self.store.get("deployments", *key_of(deployment)), sets
        sets = Sets(made, sets.old)
        name = made["metadata"]["name"]
        message = f'Created new replica set "{name}"'
        return self._announce(
            deployment, sets, new_condition("Progressing", "True", "NewReplicaSetCreated", message)
        ), sets

    def _told(self, deployment: Object, replica_set: Object, number: int) -> Object:
        annotate(deployment, replica_set, number)
        seconds = deployment["spec"].get("minReadySeconds", 0)
        if replica_set["spec"].get("minReadySeconds", 0) != seconds:
            replica_set["spec"]["minReadySeconds"] = seconds
        return self.store.update("replicasets", replica_set)

    def _create(self, deployment: Object, sets: Sets) -> Object | None:
        """Creates the new ReplicaSet; None when its name was taken by another (a hash collision)."""
        desired = build(deployment, sets)
        try:
            made = self.store.create("replicasets", desired)
        except StatusError as refused:
            if refused.reason != "AlreadyExists":
                raise
            self._count_collision(deployment)
            return None
        if made["spec"]["replicas"]:
            self._tell_scaling(deployment, made, 0)
        return made

    def _count_collision(self, deployment: Object) -> None:
        def change(current: Object) -> None:
            status = current.setdefault("status", {})
            status["collisionCount"] = status.get("collisionCount", 0) + 1

        self.store.modify("deployments", *key_of(deployment), change, subresource="status")

    def _announce(self, deployment: Object, sets: Sets, progress: Object | None) -> Object:
        """Writes the revision and the first word about progress onto the Deployment."""
        assert sets.new is not None
        number = (sets.new["metadata"].get("annotations") or {}).get(REVISION, "1")
        annotations = dict(deployment["metadata"].get("annotations") or {})
        if annotations.get(REVISION) == number and progress is None:
            return deployment
        deployment["metadata"]["annotations"] = annotations | {REVISION: number}
        if progress is not None and has_deadline(deployment):
            set_condition(deployment.setdefault("status", {}), progress)
        return self.store.update("deployments", deployment, subresource="status")

    # -- writing -------------------------------------------------------------------------------------------

    def _resize(self, deployment: Object, replica_set: Object, desired: int) -> None:
        before = replica_set["spec"]["replicas"]
        annotations = replica_annotations(deployment)
        present = replica_set["metadata"].get("annotations") or {}
        if before == desired and annotations.items() <= present.items():
            return

        def change(current: Object) -> None:
            current["spec"]["replicas"] = desired
            current["metadata"]["annotations"] = (current["metadata"].get("annotations") or {}) | annotations

        self.store.modify("replicasets", *key_of(replica_set), change)
        if before != desired:
            self._tell_scaling(deployment, replica_set, before, desired)

    def _tell_scaling(
        self, deployment: Object, replica_set: Object, before: int, desired: int | None = None
    ) -> None:
        after = replica_set["spec"]["replicas"] if desired is None else desired
        direction = "up" if after > before else "down"
        name = replica_set["metadata"]["name"]
        message = f"Scaled {direction} replica set {name} from {before} to {after}"
        self._events.normal(deployment, "ScalingReplicaSet", message)

    def _write(self, deployment: Object, status: Object) -> float | None:
        if status != deployment.get("status"):
            self.store.update("deployments", deployment | {"status": status}, subresource="status")
        return until_deadline(deployment, status)

    def _forget_old(self, deployment: Object, sets: Sets) -> None:
        """Deletes old, empty ReplicaSets beyond revisionHistoryLimit."""
        empty = [
            entry for entry in sets.old if not entry["spec"]["replicas"] and not counted([entry], "replicas")
        ]
        surplus = len(empty) - deployment["spec"].get("revisionHistoryLimit", 10)
        for replica_set in sorted(empty, key=revision)[: max(0, surplus)]:
            self.store.delete("replicasets", *key_of(replica_set), propagation="Background")


def _was_scaled(deployment: Object, sets: Sets) -> bool:
    """The Deployment's number of pods differs from what its active ReplicaSets were told last."""
    active = [entry for entry in sets.all if entry["spec"]["replicas"]]
    told = [(entry["metadata"].get("annotations") or {}).get(DESIRED) for entry in active]
    return any(number not in (None, str(deployment["spec"]["replicas"])) for number in told)


def _mark_paused(deployment: Object, status: Object) -> None:
    """Says that a rollout is paused, or that it goes on again."""
    if not has_deadline(deployment):
        return
    current = condition({"status": status}, "Progressing")
    if current is not None and current["reason"] == "ProgressDeadlineExceeded":
        return
    paused, was_paused = deployment["spec"].get("paused"), current and current["reason"] == "DeploymentPaused"
    if paused and not was_paused:
        set_condition(
            status, new_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        )
    elif was_paused and not paused:
        set_condition(
            status, new_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
        )
