"""An indexed Job and a CronJob with real pods, on the rehearsal cluster or any other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.lives import IMAGE, Place

pytestmark = pytest.mark.long

JOBS = "batch/v1/jobs"
CRON_JOBS = "batch/v1/cronjobs"
MERGE = "application/merge-patch+json"
_SCRIPT = """
test "$(cat /etc/hostname)" = "waves-$JOB_COMPLETION_INDEX" || exit 75
test "$JOB_COMPLETION_INDEX" != 1 || exit 3
"""


def _spec(script: str) -> dict[str, Any]:
    container = {"name": "main", "image": IMAGE, "command": ["sh", "-c", script]}
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"template": {"spec": pod}}


def _conditions(place: Place, name: str) -> dict[str, str]:
    """The conditions of a Job that are true, and their reasons."""
    found = place.get(JOBS, name)["status"].get("conditions") or ()
    return {entry["type"]: entry["reason"] for entry in found if entry["status"] == "True"}


def test_each_pod_knows_its_index_and_one_that_must_not_be_tried_again_fails_alone(place: Place) -> None:
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [75]}}
    indexed = {"completionMode": "Indexed", "completions": 3, "parallelism": 2, "backoffLimitPerIndex": 4}
    spec = {**_spec(_SCRIPT), **indexed, "podFailurePolicy": {"rules": [rule]}, "suspend": True}
    made = place.api.call("POST", place.path(JOBS), {"metadata": {"name": "waves"}, "spec": spec})
    assert made.status == 201, made.body
    place.until("suspended", lambda: _conditions(place, "waves") == {"Suspended": "JobSuspended"})
    assert "startTime" not in place.get(JOBS, "waves")["status"]
    patch = {"metadata": {"annotations": {"wave": "1"}}, "spec": {"suspend": False, "parallelism": 3}}
    assert place.api.call("PATCH", place.path(JOBS, "waves"), patch, content_type=MERGE).status == 200
    place.until("the end", lambda: _conditions(place, "waves").get("Failed"))
    assert _conditions(place, "waves") == {"FailureTarget": "FailedIndexes", "Failed": "FailedIndexes"}
    status = place.get(JOBS, "waves")["status"]
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1")
    assert (status["succeeded"], status["failed"]) == (2, 1)


def test_a_cron_job_makes_a_job_when_it_is_due(place: Place) -> None:
    spec = {"schedule": "@every 2s", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": _spec("true")}}
    made = place.api.call("POST", place.path(CRON_JOBS), {"metadata": {"name": "often"}, "spec": spec})
    assert made.status == 201, made.body
    place.until("a success", lambda: "lastSuccessfulTime" in place.get(CRON_JOBS, "often").get("status", {}))
    owned = [job for job in place.list(JOBS) if job["metadata"].get("ownerReferences")]
    assert owned
    assert {owner["name"] for job in owned for owner in job["metadata"]["ownerReferences"]} == {"often"}
    assert place.api.call("DELETE", place.path(CRON_JOBS, "often")).status == 200
    gone = {job["metadata"]["name"] for job in owned}
    place.until("its jobs are gone", lambda: not gone & {job["metadata"]["name"] for job in place.list(JOBS)})
