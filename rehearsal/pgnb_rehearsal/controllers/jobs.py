"""Jobs: pods that end, counted once each, until enough succeeded or too many failed (pkg/controller/job)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pgnb_rehearsal.api.objects import Object, copied
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers import job_status
from pgnb_rehearsal.controllers.base import Controller, controlling_owner, key_of
from pgnb_rehearsal.controllers.clock import age, now
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.controllers.job_backoff import BackOff, rest_of_index
from pgnb_rehearsal.controllers.job_failures import replaces_only_failed
from pgnb_rehearsal.controllers.job_indexes import has_limit_per_index, is_indexed, misplaced, missing
from pgnb_rehearsal.controllers.job_pods import desired_pod
from pgnb_rehearsal.controllers.job_verdict import completed, decided
from pgnb_rehearsal.controllers.job_view import TRACKING, JobView, is_tracked
from pgnb_rehearsal.controllers.pods import first_to_go, is_terminating, pods_of
from pgnb_rehearsal.controllers.queue import Key

MANAGER = "kubernetes.io/job-controller"
"""What `spec.managedBy` says of a Job that is this controller's."""


class _Managed(NamedTuple):
    """The pods that are active after a step, when to look again, and what refused a new pod."""

    active: list[Object]
    wait: float | None = None
    refused: StatusError | None = None


class JobController(Controller):
    resource = "jobs"
    watches = ("pods",)

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._events = EventRecorder(store, "job-controller")
        self._pauses: dict[str, BackOff] = {}

    @property
    def owner_kind(self) -> str:
        return "Job"

    def reconcile(self, key: Key) -> float | None:
        job = self.store.find("jobs", *key)
        if job is None:
            self._release_orphans(key)
            return None
        if job["spec"].get("managedBy", MANAGER) != MANAGER:
            return None
        pods = pods_of(self.store, job)
        if "deletionTimestamp" in job["metadata"]:
            self._release(pods)
            return None
        if job_status.is_finished(job):
            self._pauses.pop(job["metadata"]["uid"], None)
            self._release(pods)
            return self._expire(job)
        return self._advance(JobView(job_status.begun(job), pods), job)

    def _advance(self, view: JobView, stored: Object) -> float | None:
        """One step of a job that is not finished: judge it, make or delete pods, count what ended."""
        status = copied(view.job["status"])
        pause = self._pause(view)
        verdict = decided(view)
        managed = self._manage(view, pause) if verdict is None else _Managed(self._end(view))
        verdict = verdict or completed(view, managed.active)
        if verdict is not None:
            job_status.conclude(status, verdict)
        else:
            self._note_suspension(view.job, status)
        released = job_status.count(status, view, verdict)
        job = self._write(stored, job_status.numbered(status, managed.active, view.pods))
        if released or verdict is not None or any(status["uncountedTerminatedPods"].values()):
            self._settle(job, released)
        if managed.refused is not None:
            raise managed.refused
        if verdict is not None:
            return None
        return job_status.soonest(managed.wait, job_status.until_deadline(job))

    def _pause(self, view: JobView) -> BackOff:
        """The pause of the whole job, with what ended since the last step."""
        uid = view.job["metadata"]["uid"]
        pause = self._pauses.get(uid, BackOff()).after(view.fresh_successes, view.fresh_failures)
        self._pauses[uid] = pause
        return pause

    def _manage(self, view: JobView, pause: BackOff) -> _Managed:
        """Makes as many pods active as the job wants now; a step either deletes or creates."""
        surplus = self._surplus(view)
        if surplus:
            self._release(surplus)
            for pod in surplus:
                self._delete(view.job, pod)
            return _Managed([pod for pod in view.active if pod not in surplus])
        lacking = self._wanted(view) - len(view.active)
        if replaces_only_failed(view.job):
            lacking -= len(view.terminating)
        if lacking <= 0:
            return _Managed(view.active)
        if not has_limit_per_index(view.job) and pause.rest() > 0:
            return _Managed(view.active, pause.rest())
        if not is_indexed(view.job):
            return self._create(view, [None] * lacking)
        return self._create_indexes(view, lacking)

    def _wanted(self, view: JobView) -> int:
        """How many pods should be active now."""
        if view.spec.get("suspend"):
            return 0
        parallelism, completions = int(view.spec.get("parallelism", 1)), view.spec.get("completions")
        if completions is None:
            return len(view.active) if view.succeeded else parallelism
        return min(parallelism, max(0, int(completions) - view.succeeded))

    def _surplus(self, view: JobView) -> list[Object]:
        """Active pods that have to go: those without an index of their own first."""
        wrong = misplaced(view.job, view.active) if is_indexed(view.job) else []
        rest = first_to_go(pod for pod in view.active if pod not in wrong)
        return wrong + rest[: max(0, len(view.active) - self._wanted(view) - len(wrong))]

    def _create_indexes(self, view: JobView, lacking: int) -> _Managed:
        """Pods for the lowest indexes that have none; an index that failed pauses, the others do not."""
        rests = {
            index: rest_of_index(view.to_be_replaced.get(index))
            for index in missing(view.taken_indexes, lacking, int(view.spec["completions"]))
        }
        made = self._create(view, [index for index, rest in rests.items() if not rest])
        return made._replace(wait=min((rest for rest in rests.values() if rest), default=None))

    def _create(self, view: JobView, indexes: Sequence[int | None]) -> _Managed:
        """One pod for each; the first refusal ends it, and is told."""
        active = list(view.active)
        for index in indexes:
            try:
                pod = self.store.create("pods", desired_pod(view, index))
            except StatusError as refused:
                self._events.warning(view.job, "FailedCreate", f"Error creating: {refused.message}")
                return _Managed(active, None, refused)
            self._events.normal(view.job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
            active.append(pod)
        return _Managed(active)

    def _end(self, view: JobView) -> list[Object]:
        """The verdict stands: no pod may go on."""
        for pod in view.active:
            self._delete(view.job, pod)
        return []

    def _note_suspension(self, job: Object, status: Object) -> None:
        told = job_status.note_suspension(job, status)
        if told:
            self._events.normal(job, told, f"Job {told.lower()}")

    def _settle(self, job: Object, released: list[Object]) -> None:
        """Takes the tracking finalizer off the counted pods, then moves them into the final numbers."""
        self._release(released)
        status = job_status.settled(job["status"])
        left = pods_of(self.store, job)
        finished = job_status.finished_condition(status, any(is_terminating(pod) for pod in left))
        if finished is not None:
            status["conditions"] = [*status["conditions"], finished]
            if finished["type"] == "Complete":
                status["completionTime"] = now()
        job = self._write(job, status)
        if finished is not None:
            self._tell_end(job, finished)

    def _tell_end(self, job: Object, finished: Object) -> None:
        if finished["type"] == "Complete":
            self._events.normal(job, "Completed", "Job completed")
        else:
            self._events.warning(job, finished["reason"], finished["message"])

    def _write(self, job: Object, status: Object) -> Object:
        if status == job.get("status"):
            return job
        return self.store.update("jobs", job | {"status": status}, subresource="status")

    def _delete(self, job: Object, pod: Object) -> None:
        namespace, name = key_of(pod)
        self.store.delete("pods", namespace, name, uid=pod["metadata"]["uid"])
        self._events.normal(job, "SuccessfulDelete", f"Deleted pod: {name}")

    def _release(self, pods: list[Object]) -> None:
        """Lets pods go: without the finalizer their deletion can end."""

        def change(pod: Object) -> None:
            pod["metadata"]["finalizers"] = [f for f in pod["metadata"]["finalizers"] if f != TRACKING]
            if not pod["metadata"]["finalizers"]:
                del pod["metadata"]["finalizers"]

        for pod in pods:
            current = self.store.find("pods", *key_of(pod))
            if current is not None and is_tracked(current):
                self.store.modify("pods", *key_of(pod), change)

    def _release_orphans(self, key: Key) -> None:
        """The job is gone: nobody else takes the finalizer off its pods."""
        pods = self.store.list("pods", key.namespace)
        self._release([pod for pod in pods if is_tracked(pod) and _owner_name(pod) == key.name])

    def _expire(self, job: Object) -> float | None:
        """ttlSecondsAfterFinished: deletes the finished job and its pods when the time has come."""
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        rest = float(ttl) - age(job_status.finished_at(job))
        if rest > 0:
            return rest
        self.store.delete("jobs", *key_of(job), propagation="Foreground", uid=job["metadata"]["uid"])
        return None


def _owner_name(pod: Object) -> str:
    owner = controlling_owner(pod)
    return str(owner["name"]) if owner and owner["kind"] == "Job" else ""
