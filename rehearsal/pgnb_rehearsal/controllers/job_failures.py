"""What a failed pod means for its Job: the pod failure policy (pkg/controller/job/pod_failure_policy.go)."""

from __future__ import annotations

from typing import NamedTuple

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.controllers.pods import phase


class Outcome(NamedTuple):
    """The action of the first rule that fits ("" when none does), and why the job fails when it has to."""

    action: str = ""
    message: str = ""

    @property
    def counts(self) -> bool:
        """Whether the failure counts towards the back-off limits."""
        return self.action != "Ignore"


def replaces_only_failed(job: Object) -> bool:
    """Whether a pod that is on its way out is replaced only once it has ended."""
    return job["spec"].get("podReplacementPolicy") == "Failed" or "podFailurePolicy" in job["spec"]


def has_failed(job: Object, pod: Object) -> bool:
    """Failed, or deleted where that is as good as failed.

    A pod without a node gets no last phase from a kubelet: it counts at once.
    """
    if phase(pod) == "Failed":
        return True
    if "deletionTimestamp" not in pod["metadata"] or phase(pod) == "Succeeded":
        return False
    return not replaces_only_failed(job) or not pod["spec"].get("nodeName")


def outcome(job: Object, pod: Object) -> Outcome:
    """What the policy says about a failed pod."""
    for number, rule in enumerate(lookup(job, "spec", "podFailurePolicy", "rules") or ()):
        why = _match(rule, pod)
        if why:
            return Outcome(rule["action"], f"{why} matching {rule['action']} rule at index {number}")
    return Outcome()


def _match(rule: Object, pod: Object) -> str:
    """What of the pod fits the rule, in words; empty when nothing does."""
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if "onExitCodes" in rule:
        status = _ended_container(rule["onExitCodes"], pod)
        if status is None:
            return ""
        code = status["state"]["terminated"]["exitCode"]
        return f"Container {status['name']} for pod {name} failed with exit code {code}"
    for found in lookup(pod, "status", "conditions") or ():
        for pattern in rule.get("onPodConditions") or ():
            if (found["type"], found["status"]) == (pattern["type"], pattern["status"]):
                return f"Pod {name} has condition {found['type']}"
    return ""


def _ended_container(requirement: Object, pod: Object) -> Object | None:
    """The status of the first container, then init container, whose exit code fits."""
    for key in ("containerStatuses", "initContainerStatuses"):
        for status in lookup(pod, "status", key) or ():
            named = requirement.get("containerName")
            code = lookup(status, "state", "terminated", "exitCode")
            if code and named in (None, status["name"]) and _fits(code, requirement):
                return dict(status)
    return None


def _fits(code: int, requirement: Object) -> bool:
    listed = code in (requirement.get("values") or ())
    return listed if requirement["operator"] == "In" else not listed
