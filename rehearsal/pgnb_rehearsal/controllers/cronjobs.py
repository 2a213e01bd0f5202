"""CronJobs: a Job at each time of a schedule, and a few finished ones kept (pkg/controller/cronjob)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pgnb_rehearsal.api.objects import Object, copied, timestamp
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Event, Store
from pgnb_rehearsal.controllers.base import Controller, is_controlled_by, key_of, owner_reference
from pgnb_rehearsal.controllers.cron_times import due, schedule_of, until_next
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.controllers.job_status import is_finished
from pgnb_rehearsal.controllers.pods import condition
from pgnb_rehearsal.controllers.queue import Key
from pgnb_rehearsal.cron_schedule import ScheduleError, time_zone

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY = 100
_TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
_SPELLED = "%a, %d %b %Y %H:%M:%S +0000"


def _now() -> datetime:
    return datetime.now(UTC)


class CronJobController(Controller):
    resource = "cronjobs"
    watches = ("jobs",)

    def __init__(self, store: Store, clock: Callable[[], datetime] = _now) -> None:
        super().__init__(store)
        self._events = EventRecorder(store, "cronjob-controller")
        self._clock = clock

    @property
    def owner_kind(self) -> str:
        return "CronJob"

    def keys(self, plural: str, event: Event) -> Iterable[Key]:
        """A CronJob with a new schedule is looked at when that is next due: nothing is made up for."""
        if plural == self.resource and event.type == "MODIFIED" and event.old and _rescheduled(event):
            self._look_later(event.object)
            return ()
        return super().keys(plural, event)

    def _look_later(self, cron_job: Object) -> None:
        try:
            self.queue.add_after(key_of(cron_job), until_next(cron_job, schedule_of(cron_job), self._clock()))
        except ScheduleError:
            text = f"unparseable schedule for cronjob: {cron_job['spec']['schedule']}"
            self._events.warning(cron_job, "UnParseableCronJobSchedule", text)

    def reconcile(self, key: Key) -> float | None:
        cron_job = self.store.find("cronjobs", *key)
        if cron_job is None:
            return None
        status = copied(cron_job.get("status") or {})
        jobs = [job for job in self.store.list("jobs", key.namespace) if is_controlled_by(job, cron_job)]
        self._keep_few(cron_job, status, jobs)
        self._follow(cron_job, status, jobs)
        current = {**cron_job, "status": status}
        again = None
        try:
            if "deletionTimestamp" not in cron_job["metadata"] and not cron_job["spec"].get("suspend"):
                again = self._start_what_is_due(current)
        finally:
            if not status.get("active"):
                status.pop("active", None)
            if status != (cron_job.get("status") or {}):
                self.store.update("cronjobs", current, subresource="status")
        return again

    # -- the jobs that are there ---------------------------------------------------------------------------

    def _keep_few(self, cron_job: Object, status: Object, jobs: list[Object]) -> None:
        """Deletes the oldest finished jobs beyond the history limits."""
        for kind, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
            limit = cron_job["spec"].get(field)
            ended = sorted((job for job in jobs if _finished_as(job) == kind), key=_age_order)
            for job in ended[: max(0, len(ended) - limit)] if limit is not None else ():
                self._delete(cron_job, status, job)
                jobs.remove(job)

    def _delete(self, cron_job: Object, status: Object, job: Object) -> None:
        self.store.delete("jobs", *key_of(job), propagation="Background", uid=job["metadata"]["uid"])
        _forget(status, job["metadata"]["uid"])
        self._events.normal(cron_job, "SuccessfulDelete", f"Deleted job {job['metadata']['name']}")

    def _follow(self, cron_job: Object, status: Object, jobs: list[Object]) -> None:
        """Brings the list of active jobs and the time of the last success up to date."""
        active = {reference["uid"] for reference in status.get("active") or ()}
        for job in jobs:
            name, uid, ended = job["metadata"]["name"], job["metadata"]["uid"], _finished_as(job)
            if uid not in active and not ended:
                text = f"Saw a job that the controller did not create or forgot: {name}"
                self._events.warning(cron_job, "UnexpectedJob", text)
            elif uid in active and ended:
                _forget(status, uid)
                self._events.normal(
                    cron_job, "SawCompletedJob", f"Saw completed job: {name}, condition: {ended}"
                )
            if ended == "Complete" and job["status"]["completionTime"] > status.get("lastSuccessfulTime", ""):
                status["lastSuccessfulTime"] = job["status"]["completionTime"]
        there = {job["metadata"]["uid"] for job in jobs}
        for reference in [entry for entry in status.get("active") or () if entry["uid"] not in there]:
            self._events.normal(cron_job, "MissingJob", f"Active job went missing: {reference['name']}")
            _forget(status, reference["uid"])

    # -- the next job --------------------------------------------------------------------------------------

    def _start_what_is_due(self, cron_job: Object) -> float | None:
        """Makes the Job of the latest time that has passed, unless it is too late or not allowed."""
        now, spec = self._clock(), cron_job["spec"]
        try:
            schedule = schedule_of(cron_job)
            found = due(cron_job, schedule, now)
        except ScheduleError as error:
            text = f"invalid schedule: {spec['schedule']} : {error}"
            self._events.warning(cron_job, "InvalidSchedule", text)
            return None
        if found.latest is None:
            return until_next(cron_job, schedule, now)
        if found.passed > _MANY:
            self._events.warning(cron_job, "TooManyMissedTimes", _TOO_MANY)
        if self._may_start(cron_job, found.latest, now):
            self._start(cron_job, found.latest)
        return until_next(cron_job, schedule, now)

    def _may_start(self, cron_job: Object, time: datetime, now: datetime) -> bool:
        spec, status = cron_job["spec"], cron_job["status"]
        deadline = spec.get("startingDeadlineSeconds")
        if deadline is not None and time + timedelta(seconds=deadline) < now:
            text = f"Missed scheduled time to start a job: {time.astimezone(UTC).strftime(_SPELLED)}"
            self._events.warning(cron_job, "MissSchedule", text)
            return False
        active = status.get("active") or ()
        if status.get("lastScheduleTime") == timestamp(time):
            return False
        if any(reference["name"] == _job_name(cron_job, time) for reference in active):
            return False
        if spec["concurrencyPolicy"] == "Forbid" and active:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._events.normal(cron_job, "JobAlreadyActive", text)
            return False
        return True

    def _start(self, cron_job: Object, time: datetime) -> None:
        status = cron_job["status"]
        if cron_job["spec"]["concurrencyPolicy"] == "Replace":
            for reference in list(status.get("active") or ()):
                running = self.store.get("jobs", reference["namespace"], reference["name"])
                self._delete(cron_job, status, running)
        job = self._create(cron_job, _job(cron_job, time))
        if job is not None:
            status["active"] = [*(status.get("active") or ()), _reference(job)]
            status["lastScheduleTime"] = timestamp(time)

    def _create(self, cron_job: Object, desired: Object) -> Object | None:
        """The new Job, or one of ours that has its name; None when that is somebody else's or known."""
        try:
            job = self.store.create("jobs", desired)
        except StatusError as refused:
            if refused.reason != "AlreadyExists":
                text = f"Error creating job: {refused.message}"
                self._events.warning(cron_job, "FailedCreate", text)
                raise
            job = self.store.get("jobs", *key_of(desired))
            known = {reference["uid"] for reference in cron_job["status"].get("active") or ()}
            return job if is_controlled_by(job, cron_job) and job["metadata"]["uid"] not in known else None
        self._events.normal(cron_job, "SuccessfulCreate", f"Created job {job['metadata']['name']}")
        return job


def _rescheduled(event: Event) -> bool:
    old, new = (event.old or {})["spec"], event.object["spec"]
    return any(old.get(field) != new.get(field) for field in ("schedule", "timeZone"))


def _finished_as(job: Object) -> str:
    """Complete or Failed; empty while the job goes on."""
    if not is_finished(job):
        return ""
    complete = condition(job, "Complete")
    return "Complete" if complete is not None and complete["status"] == "True" else "Failed"


def _age_order(job: Object) -> tuple[bool, str, str]:
    start = job["status"].get("startTime")
    return start is None, start or "", job["metadata"]["name"]


def _forget(status: Object, uid: str) -> None:
    status["active"] = [entry for entry in status.get("active") or () if entry["uid"] != uid]


def _job_name(cron_job: Object, time: datetime) -> str:
    """The name with the minutes since the epoch: no time gets two Jobs."""
    return f"{cron_job['metadata']['name']}-{int(time.timestamp()) // 60}"


def _job(cron_job: Object, time: datetime) -> Object:
    template = cron_job["spec"]["jobTemplate"]
    given: dict[str, Any] = template.get("metadata") or {}
    local = time.astimezone(time_zone(cron_job["spec"].get("timeZone") or "")).isoformat()
    return {
        "metadata": {
            "name": _job_name(cron_job, time),
            "namespace": cron_job["metadata"]["namespace"],
            "labels": dict(given.get("labels") or {}),
            "annotations": {**(given.get("annotations") or {}), SCHEDULED: local.replace("+00:00", "Z")},
            "ownerReferences": [owner_reference(cron_job)],
        },
        "spec": copied(template["spec"]),
    }


def _reference(job: Object) -> Object:
    metadata = job["metadata"]
    return {
        "kind": job["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "apiVersion": job["apiVersion"],
        "resourceVersion": metadata["resourceVersion"],
    }
