"""How far a fleet's Job is: which indexes ended and how, which wave is released, and what each pod said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgnb.cluster import Cluster, Object
from pgnb.core.display import Cell, Displayable, Table, Tone
from pgnb.core.errors import NotFound
from pgnb.fleet.job import CONTAINER, FLEET, HALTED, NUMBER, PAUSED, PLAN, RELEASED
from pgnb.fleet.targets import Plan

_INDEX = "batch.kubernetes.io/job-completion-index"
_LONGEST = 300
"""Characters of a pod's last words that a table shows."""
_TONES: Mapping[str, Tone] = {"passed": "good", "failed": "bad", "waiting": "dim", "not started": "dim"}


@dataclass(frozen=True)
class Attempt:
    """The newest pod of an index: its phase, its exit status, and the verdicts that it wrote at its end."""

    pod: str
    phase: str
    ready: bool
    exit_status: int | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Step:
    """One target's state: passed, failed, running, waiting (for its wave) or not started."""

    index: int
    target: str
    namespace: str
    wave: int
    state: str
    attempt: Attempt | None


@dataclass(frozen=True, repr=False)
class Rollout(Displayable):
    """One Job of a fleet as it was read, with the plan that it carries out."""

    job: Object
    plan: Plan
    attempts: Mapping[int, Attempt] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The Job's name."""
        return str(self.job["metadata"]["name"])

    @property
    def released(self) -> int:
        """The newest wave that may work; 0 before the first."""
        return int(_annotations(self.job).get(RELEASED, "0"))

    @property
    def halted(self) -> str:
        """Why no further wave is released; "" if nothing stands against it."""
        return _annotations(self.job).get(HALTED, "")

    @property
    def paused_after(self) -> int:
        """The wave after which it pauses, as the fleet asks for; 0 if it does not."""
        return int(_annotations(self.job).get(PAUSED, "0"))

    @property
    def suspended(self) -> bool:
        """Whether the Job is suspended."""
        return bool(self.job["spec"].get("suspend"))

    @property
    def finished(self) -> str:
        """The Job's final condition, Complete or Failed; "" while it goes on."""
        return _final(self.job)

    @property
    def passed(self) -> frozenset[int]:
        """The indexes that have succeeded."""
        return indexes_of(self._status.get("completedIndexes", ""))

    @property
    def failed(self) -> frozenset[int]:
        """The indexes that have failed for good."""
        return indexes_of(self._status.get("failedIndexes", ""))

    @property
    def settled(self) -> bool:
        """Whether every pod that the Job may have now has started: none is being made or pulled."""
        left = len(self.plan.targets) - len(self.passed | self.failed)
        due = min(int(self.job["spec"].get("parallelism", 1)), left)
        return int(self._status.get("active", 0)) == int(self._status.get("ready", 0)) == due

    @property
    def _status(self) -> Mapping[str, Any]:
        return self.job.get("status") or {}

    def ended(self, wave: int) -> bool:
        """Return whether every target of a wave has passed or failed."""
        return set(self.plan.indexes(wave)) <= self.passed | self.failed

    def failures(self, wave: int) -> tuple[str, ...]:
        """Return the names of a wave's targets that failed."""
        return tuple(
            self.plan.targets[index].name for index in self.plan.indexes(wave) if index in self.failed
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every target's state, by index."""
        return tuple(self._step(index) for index in range(len(self.plan.targets)))

    def _step(self, index: int) -> Step:
        target, wave, attempt = self.plan.targets[index], self.plan.wave_of(index), self.attempts.get(index)
        return Step(index, target.name, target.namespace, wave, self._state(index, wave, attempt), attempt)

    def _state(self, index: int, wave: int, attempt: Attempt | None) -> str:
        if index in self.passed:
            return "passed"
        if index in self.failed:
            return "failed"
        if attempt is None or attempt.phase in ("Failed", "Succeeded"):
            return "not started"
        return "waiting" if wave > self.released else "running"

    @property
    def outcome(self) -> str:
        """One sentence: how far the rollout is."""
        done, bad, all_ = len(self.passed), len(self.failed), len(self.plan.targets)
        counts = f"{done} of {all_} targets passed, {bad} failed"
        if self.halted:
            return f"{counts}; {self.halted}"
        if self.finished or len(self.passed | self.failed) == all_:
            return f"{counts}; finished"
        wave = f"wave {self.released} of {len(self.plan.waves)}"
        if self.paused_after:
            return f"{counts}; {wave} has ended, and the next one waits for `pgnb fleet apply`"
        return f"{counts}; {wave} is at work" if self.released else f"{counts}; not begun"

    @property
    def table(self) -> Table:
        """A row a target: wave, state, and what its newest pod said."""
        rows = [
            (
                step.wave,
                step.target,
                step.namespace,
                Cell(step.state, _TONES.get(step.state, "")),
                *_said(step),
            )
            for step in self.steps
        ]
        columns = ("wave", "target", "namespace", "state", "notebooks", "pod")
        return Table.of(columns, rows, title=f"Rollout {self.name}", note=self.outcome)


def _said(step: Step) -> tuple[str, str]:
    if step.attempt is None:
        return "", ""
    verdicts = ", ".join(f"{number} {word}".strip() for number, word in step.attempt.verdicts.items())
    return verdicts or step.attempt.reason, step.attempt.pod


def indexes_of(text: str) -> frozenset[int]:
    """Return the indexes that a Job's status holds, as `1,3-5`."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def rollouts(cluster: Cluster, fleet: str) -> list[Object]:
    """Return the Jobs of a fleet's rollouts, oldest first; those of its CronJob are not among them."""
    found = cluster.list("jobs", f"{FLEET}={fleet}")
    numbered = [one for one in found if _annotations(one).get(NUMBER, "").isdecimal()]
    return sorted(numbered, key=lambda one: int(_annotations(one)[NUMBER]))


def number_of(job: Object) -> int:
    """Return the number of a rollout's Job."""
    return int(_annotations(job)[NUMBER])


def is_open(job: Object) -> bool:
    """Whether a Job has not finished."""
    return not _final(job)


def digest_of(job: Object) -> str:
    """Return the digest of the plan that a Job carries out."""
    return _annotations(job).get(PLAN, "")


def rollout_of(cluster: Cluster, name: str, *, pods: bool = True) -> Rollout:
    """Return a Job with its plan and, with `pods`, the newest pod of each index.

    Raises NotFound without the Job or its ConfigMap, ParameterError if that holds no plan.
    """
    job = cluster.get("jobs", name)
    if job is None:
        raise NotFound(f"there is no Job {name} in the namespace {cluster.namespace}")
    volumes = job["spec"]["template"]["spec"].get("volumes") or ()
    config = next((v["configMap"]["name"] for v in volumes if v["name"] == "plan"), name)
    held = cluster.get("configmaps", config)
    if held is None:
        raise NotFound(
            f"the Job {name} has no plan",
            found=f"no ConfigMap {config} in the namespace {cluster.namespace}",
            remedy="An apply was interrupted before anything ran. Remove the Job:"
            f" kubectl -n {cluster.namespace} delete job {name}",
        )
    plan = Plan.of((held.get("data") or {}).get("fleet.json", ""))
    return Rollout(job, plan, _attempts(cluster, name) if pods else {})


def again(cluster: Cluster, seen: Rollout, *, pods: bool = False) -> Rollout:
    """Return a rollout as it is now; its plan, which never changes, is not read again."""
    job = cluster.get("jobs", seen.name)
    if job is None:
        raise NotFound(f"the Job {seen.name} was deleted by somebody else")
    return Rollout(job, seen.plan, _attempts(cluster, seen.name) if pods else {})


def _attempts(cluster: Cluster, name: str) -> dict[int, Attempt]:
    return newest(cluster.list("pods", f"batch.kubernetes.io/job-name={name}"))


def newest(pods: Iterable[Object]) -> dict[int, Attempt]:
    """Return the newest pod of each index."""
    ordered = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    return {int(_annotations(pod)[_INDEX]): _attempt(pod) for pod in ordered if _INDEX in _annotations(pod)}


def _attempt(pod: Object) -> Attempt:
    status = pod.get("status") or {}
    entries = [c for c in status.get("containerStatuses") or () if c["name"] == CONTAINER]
    entry: Mapping[str, Any] = entries[0] if entries else {}
    ended = (entry.get("state") or {}).get("terminated") or {}
    waiting = (entry.get("state") or {}).get("waiting") or {}
    return Attempt(
        pod["metadata"]["name"],
        status.get("phase", ""),
        bool(entry.get("ready")),
        ended.get("exitCode"),
        _verdicts(ended.get("message", "")),
        _reason(status, waiting, ended),
    )


def _reason(status: Mapping[str, Any], waiting: Mapping[str, Any], ended: Mapping[str, Any]) -> str:
    """Why a pod does not start, or how it ended without a word of its own."""
    if ended:
        return f"exit status {ended.get('exitCode')} {ended.get('reason', '')}".strip()
    if waiting:
        return f"{waiting.get('reason', '')}: {waiting.get('message', '')}".strip(": ")
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions") or ()
    unscheduled = [c for c in conditions if c["type"] == "PodScheduled" and c["status"] == "False"]
    return str(unscheduled[0].get("message", "")) if unscheduled else ""


def _verdicts(message: str) -> dict[str, str]:
    """The verdicts that a worker wrote as its termination message, by notebook."""
    try:
        found = json.loads(message)
    except ValueError:
        return {"": " ".join(message.split())[:_LONGEST]} if message.strip() else {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _final(job: Object) -> str:
    conditions = (job.get("status") or {}).get("conditions") or ()
    ends = [c["type"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"]
    return str(ends[0]) if ends else ""


def _annotations(found: Object) -> Mapping[str, str]:
    return found["metadata"].get("annotations") or {}
