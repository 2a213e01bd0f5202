"""The pods that a Job makes: its template, and what an index adds to it."""

from __future__ import annotations

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.job_failures import outcome
from pgnb_rehearsal.controllers.job_indexes import (
    FAILURES,
    IGNORED_FAILURES,
    INDEX,
    all_failures_of,
    failures_of,
    has_limit_per_index,
)
from pgnb_rehearsal.controllers.job_view import TRACKING, JobView
from pgnb_rehearsal.controllers.pods import from_template

_VARIABLE = "JOB_COMPLETION_INDEX"
_LONGEST_PREFIX = 58


def desired_pod(view: JobView, index: int | None) -> Object:
    """A new pod of the job; `index` is None when the job has no indexes."""
    pod = from_template(view.spec["template"], view.job)
    metadata = pod["metadata"]
    metadata["finalizers"] = [*(f for f in metadata.get("finalizers", ()) if f != TRACKING), TRACKING]
    if index is not None:
        _give_index(pod, view, index)
    return pod


def _give_index(pod: Object, view: JobView, index: int) -> None:
    metadata, spec, name = pod["metadata"], pod["spec"], view.job["metadata"]["name"]
    ending = f"-{index}-"
    metadata["generateName"] = name[: _LONGEST_PREFIX - len(ending)] + ending
    metadata["labels"][INDEX] = str(index)
    metadata["annotations"] = {**metadata.get("annotations", {}), INDEX: str(index), **_failures(view, index)}
    spec["hostname"] = f"{name}-{index}"
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        _tell_index(container)


def _tell_index(container: Object) -> None:
    """The variable with the index, unless the template has one of that name."""
    variables = container.get("env") or []
    if all(entry["name"] != _VARIABLE for entry in variables):
        reference = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
        container["env"] = [*variables, {"name": _VARIABLE, "valueFrom": reference}]


def _failures(view: JobView, index: int) -> Object:
    """How often the index failed before, taken over from the pod that is replaced."""
    if not has_limit_per_index(view.job):
        return {}
    replaced = view.to_be_replaced.get(index)
    if replaced is None:
        return {FAILURES: "0"}
    counts = outcome(view.job, replaced).counts
    ignored = all_failures_of(replaced) - failures_of(replaced) + (not counts)
    kept = {FAILURES: str(failures_of(replaced) + counts)}
    return kept | ({IGNORED_FAILURES: str(ignored)} if ignored else {})
