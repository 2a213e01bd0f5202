"""Jobs: pods that end, counted once each, until enough succeeded or too many failed (pkg/controller/job)."""

from __future__ import annotations

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers import job_status
from pgnb_rehearsal.controllers.base import Controller, controlling_owner, key_of
from pgnb_rehearsal.controllers.clock import age, now
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.controllers.pods import ENDED, first_to_go, from_template, is_active, phase, pods_of
from pgnb_rehearsal.controllers.queue import Key

TRACKING = "batch.kubernetes.io/job-tracking"
_FIRST_BACK_OFF = 10.0
_LAST_BACK_OFF = 600.0


class JobController(Controller):
    resource = "jobs"
    watches = ("pods",)

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._events = EventRecorder(store, "job-controller")

    @property
    def owner_kind(self) -> str:
        return "Job"

    def reconcile(self, key: Key) -> float | None:
        job = self.store.find("jobs", *key)
        if job is None:
            self._release_orphans(key)
            return None
        pods = pods_of(self.store, job)
        if "deletionTimestamp" in job["metadata"]:
            self._release(pods)
            return None
        if job_status.is_finished(job):
            self._release(pods)
            return self._expire(job)
        return self._advance(job, pods)

    def _advance(self, job: Object, pods: list[Object]) -> float | None:
        """One step of a job that is not finished: count what ended, judge, make or delete pods."""
        status = job_status.begun(job)
        counted = job_status.count_ended(status, [pod for pod in pods if _is_tracked(pod)])
        verdict = job_status.verdict(job, status, pods)
        active = [pod for pod in pods if is_active(pod)]
        wait = None
        if verdict is not None:
            self._end(job, status, verdict, active)
            active = []
        else:
            active, wait = self._manage(job, status, pods, active)
        job = self._write(job, job_status.numbered(status, active, pods))
        if counted or verdict is not None:
            self._settle(job)
        return job_status.soonest(wait, job_status.until_deadline(job))

    def _manage(
        self, job: Object, status: Object, pods: list[Object], active: list[Object]
    ) -> tuple[list[Object], float | None]:
        """Makes as many pods active as parallelism allows; a failure is followed by a growing pause."""
        missing = job_status.wanted_active(job, status) - len(active)
        if missing < 0:
            surplus = first_to_go(active)[:-missing]
            for pod in surplus:
                self._delete(job, pod)
            return [pod for pod in active if pod not in surplus], None
        wait = _back_off(pods) if missing else 0.0
        if wait > 0:
            return active, wait
        return active + [self._create(job) for _ in range(missing)], None

    def _end(self, job: Object, status: Object, verdict: Object, active: list[Object]) -> None:
        """The verdict stands: no pod may go on; those that ran count as failed."""
        job_status.conclude(status, verdict)
        for pod in active:
            self._delete(job, pod)
        if verdict["type"] == "FailureTarget":
            job_status.count_deleted(status, active)

    def _settle(self, job: Object) -> None:
        """Takes the tracking finalizer off the counted pods, then moves them into the final numbers."""
        self._release([pod for pod in pods_of(self.store, job) if _is_counted(job, pod)])
        status = job_status.settled(job["status"])
        terminating = any("deletionTimestamp" in pod["metadata"] for pod in pods_of(self.store, job))
        finished = job_status.finished_condition(status, terminating)
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

    def _create(self, job: Object) -> Object:
        desired = from_template(job["spec"]["template"], job)
        desired["metadata"]["finalizers"] = [*desired["metadata"].get("finalizers", ()), TRACKING]
        try:
            pod = self.store.create("pods", desired)
        except StatusError as refused:
            self._events.warning(job, "FailedCreate", f"Error creating: {refused.message}")
            raise
        self._events.normal(job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        return pod

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
            if current is not None and _is_tracked(current):
                self.store.modify("pods", *key_of(pod), change)

    def _release_orphans(self, key: Key) -> None:
        """The job is gone: nobody else takes the finalizer off its pods."""
        pods = self.store.list("pods", key.namespace)
        self._release([pod for pod in pods if _is_tracked(pod) and _owner_name(pod) == key.name])

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


def _is_tracked(pod: Object) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def _is_counted(job: Object, pod: Object) -> bool:
    uncounted = job["status"].get("uncountedTerminatedPods") or {}
    return pod["metadata"]["uid"] in [*uncounted.get("succeeded", ()), *uncounted.get("failed", ())]


def _owner_name(pod: Object) -> str:
    owner = controlling_owner(pod)
    return str(owner["name"]) if owner and owner["kind"] == "Job" else ""


def _back_off(pods: list[Object]) -> float:
    """Seconds left of the pause after failures in a row: 10 s, doubled with each, at most 600 s."""
    ended = sorted((pod for pod in pods if phase(pod) in ENDED), key=_ended_at)
    failures = 0
    for pod in reversed(ended):
        if phase(pod) != "Failed":
            break
        failures += 1
    if not failures:
        return 0.0
    pause: float = min(_FIRST_BACK_OFF * 2 ** (failures - 1), _LAST_BACK_OFF)
    return pause - age(_ended_at(ended[-1]))


def _ended_at(pod: Object) -> str:
    """When the pod's last container ended."""
    states = (
        entry.get("state", {}).get("terminated") or {}
        for entry in pod["status"].get("containerStatuses") or ()
    )
    times = [state["finishedAt"] for state in states if state.get("finishedAt")]
    return max(times, default=str(pod["metadata"]["creationTimestamp"]))
