"""How far a rollout is, read from a Job and its pods."""

import json

import pytest

from pgnb.fleet import job as jobs
from pgnb.fleet.progress import Rollout, indexes_of, newest

INDEX = "batch.kubernetes.io/job-completion-index"


@pytest.fixture
def rollout(fleet, plan):
    """A rollout of six targets in waves of one and three, in a given state."""

    def make(released=1, completed="", failed="", *, active=0, ready=0, ended="", attempts=None, **marks):
        declared, planned = fleet(6, sizes=(1, 3)), plan(6, sizes=(1, 3))
        made = jobs.job(declared, planned, 1)
        made["metadata"]["annotations"] |= {jobs.RELEASED: str(released)} | marks
        made["spec"]["suspend"] = False
        made["status"] = {"completedIndexes": completed, "failedIndexes": failed}
        made["status"] |= {"active": active, "ready": ready}
        if ended:
            made["status"]["conditions"] = [{"type": ended, "status": "True"}]
        return Rollout(made, planned, attempts or {})

    return make


def pod(index, name, phase, *, at="2026-01-01T00:00:00Z", terminated=None, waiting=None):
    state = {"terminated": terminated} if terminated else {"waiting": waiting} if waiting else {}
    entry = {"name": "pgnb", "ready": False, "state": state}
    metadata = {"name": name, "annotations": {INDEX: str(index)}, "creationTimestamp": at}
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": [entry]}}


@pytest.mark.parametrize(
    ("text", "indexes"), [("", set()), ("0", {0}), ("1,3-5", {1, 3, 4, 5}), ("0-1,7", {0, 1, 7})]
)
def test_the_indexes_of_a_status_are_read(text, indexes):
    assert indexes_of(text) == indexes


def test_a_wave_has_ended_when_each_of_its_targets_has(rollout):
    assert not rollout(2, "0-1", "2").ended(2)
    assert rollout(2, "0-1,3", "2").ended(2)
    assert rollout(2, "0-1,3", "2").failures(2) == ("t2",)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"released": 0}, "0 of 6 targets passed, 0 failed; not begun"),
        ({"released": 1}, "wave 1 of 3 is at work"),
        ({"released": 3, "completed": "0-4", "failed": "5", "ended": "Failed"}, "5 of 6.*1 failed; finished"),
        ({"released": 1, "completed": "0", jobs.PAUSED: "1"}, "the next one waits for `pgnb fleet apply`"),
        ({"released": 1, "failed": "0", jobs.HALTED: "halted after wave 1"}, "halted after wave 1"),
    ],
)
def test_the_outcome_says_how_far_it_is(rollout, state, words):
    import re

    assert re.search(words, rollout(**state).outcome), rollout(**state).outcome


@pytest.mark.parametrize(
    ("active", "ready", "settled"), [(2, 2, True), (2, 1, False), (0, 0, False), (1, 1, False)]
)
def test_a_job_is_settled_when_all_pods_that_it_may_have_have_started(rollout, active, ready, settled):
    """Right after a wave has ended there is none yet: a suspension would hit those that are being made."""
    seen = rollout(2, "0-2", "3", active=active, ready=ready)
    seen.job["spec"]["parallelism"] = 3
    assert seen.settled is settled, "two targets are left, so two pods are due"


def test_a_pod_of_a_later_wave_waits_and_one_of_a_released_wave_works(rollout):
    seen = rollout(1, "", attempts=newest([pod(0, "p0", "Running"), pod(1, "p1", "Running")]))
    assert [step.state for step in seen.steps[:3]] == ["running", "waiting", "not started"]


def test_the_newest_pod_of_an_index_speaks_for_it():
    told = {"exitCode": 1, "message": json.dumps({"00": "passed", "08": "failed"})}
    older = pod(0, "a", "Failed", terminated={"exitCode": 75, "reason": "Error"})
    newer = pod(0, "b", "Failed", at="2026-01-01T00:01:00Z", terminated=told)
    (attempt,) = newest([newer, older]).values()
    assert (attempt.pod, attempt.exit_status) == ("b", 1)
    assert attempt.verdicts == {"00": "passed", "08": "failed"}


def test_a_pod_that_does_not_start_says_why(rollout):
    stuck = pod(0, "a", "Pending", waiting={"reason": "ImagePullBackOff", "message": "not found"})
    seen = rollout(attempts=newest([stuck]))
    assert "ImagePullBackOff: not found" in str(seen)
