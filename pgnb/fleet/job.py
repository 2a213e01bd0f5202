"""The objects of a fleet: an Indexed Job or a CronJob, and the ConfigMap with the plan for its pods."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pgnb.cluster import Object
from pgnb.core.errors import ParameterError
from pgnb.fleet.fleetfile import Fleet
from pgnb.fleet.targets import Plan
from pgnb.runbook.verdict import EXIT_CODES, Verdict

CONTAINER = "pgnb"
FLEET = "pgnb/fleet"
"""The label of a fleet's objects and pods, with the fleet's name."""
PLAN, NUMBER = "pgnb/plan", "pgnb/rollout"
"""Annotations of a Job: the digest of its plan, and the number of the rollout."""
RELEASED, HALTED, PAUSED = "pgnb/released-wave", "pgnb/halted", "pgnb/paused-after-wave"
"""Annotations of a Job: the newest wave that may work; why no further one is released; the wave after which
the next `pgnb fleet apply` is waited for.
"""
RETRIED = EXIT_CODES[Verdict.UNREACHABLE]
"""The exit status of a target that is tried again: the API server was away, and nothing was changed."""
WAITED = 79
"""The exit status of a pod that was ended while it waited for its wave: it has done nothing."""
PLAN_FILE = "/etc/pgnb-fleet/fleet.json"
WORK = "/work"
"""The only place that a pod writes to, with /tmp."""
STARTED = f"{WORK}/started"
"""A file that a pod makes once it answers signals; its readiness probe looks for it."""
_LARGEST = 1_000_000
"""Bytes of a ConfigMap's content; the API takes 1 MiB of the whole object."""
_KEPT = 7 * 24 * 3600
"""Seconds after which a finished Job is removed with its pods and their logs."""
_PATIENCE = 120
"""Seconds that a pod gets to end its run, and to store the record, after it was told to end."""
_RESOURCES = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}


def job(fleet: Fleet, plan: Plan, number: int) -> Object:
    """Return the Job of a rollout, suspended; its waves are released by `pgnb fleet apply`."""
    name = f"pgnb-{fleet.name}-{number}"
    annotations = {PLAN: plan.digest, NUMBER: str(number), RELEASED: "0"}
    spec = _job_spec(fleet, plan, name, parallelism=1) | {"suspend": True}
    meta = {"name": name, "labels": _labels(fleet), "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def cron_job(fleet: Fleet, plan: Plan) -> Object:
    """Return the CronJob of a fleet with a schedule: one wave, and never two runs at once."""
    name = f"pgnb-{fleet.name}"
    config = f"{name}-{plan.digest[:10]}"
    spec: dict[str, Any] = {
        "schedule": fleet.schedule,
        **({"timeZone": fleet.time_zone} if fleet.time_zone else {}),
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 3600,
        "jobTemplate": {
            "metadata": {"labels": _labels(fleet), "annotations": {PLAN: plan.digest, RELEASED: "1"}},
            "spec": _job_spec(fleet, plan, config, parallelism=parallelism(fleet, plan, 1)),
        },
    }
    meta = {"name": name, "labels": _labels(fleet), "annotations": {PLAN: plan.digest}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec}


def config_map(fleet: Fleet, plan: Plan, owner: Object) -> Object:
    """Return the ConfigMap with the plan, owned by the Job or CronJob, so that it goes with it.

    Raises ParameterError for a plan that no ConfigMap can hold.
    """
    size = len(plan.content.encode())
    if size > _LARGEST:
        raise ParameterError(
            f"the plan of {len(plan.targets)} targets is too large for a ConfigMap",
            found=f"{size:,} bytes; {_LARGEST:,} at most",
            remedy="Split the fleet, or write into `parameters` what the targets have in common.",
        )
    meta = owner["metadata"]
    name = meta["name"] if owner["kind"] == "Job" else f"{meta['name']}-{plan.digest[:10]}"
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        **({"uid": meta["uid"]} if "uid" in meta else {}),
    }
    metadata = {"name": name, "labels": _labels(fleet), "ownerReferences": [reference]}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": True,
        "data": {"fleet.json": plan.content},
    }


def parallelism(fleet: Fleet, plan: Plan, wave: int) -> int:
    """Return how many pods of a wave run at once: never more than the wave is wide."""
    return min(fleet.waves.parallelism, plan.waves[wave - 1])


def failure_policy(changing: bool) -> Object:
    """Return what becomes of a pod that failed, by pgnb's exit statuses; the first rule that fits decides.

    A gate, bad input or a failed check is never tried again. A pod that lost its node is, where it only
    checks; where it changes servers somebody has to look. What is left, an unreachable API, is counted, and
    tried again up to `backoffLimitPerIndex` times.
    """
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return {
        "rules": [
            _by_status("Ignore", "In", WAITED),
            {"action": "FailIndex" if changing else "Ignore", "onPodConditions": [disrupted]},
            _by_status("FailIndex", "NotIn", RETRIED),
        ]
    }


def _by_status(action: str, operator: str, status: int) -> Object:
    codes = {"containerName": CONTAINER, "operator": operator, "values": [status]}
    return {"action": action, "onExitCodes": codes}


def _job_spec(fleet: Fleet, plan: Plan, config: str, *, parallelism: int) -> dict[str, Any]:
    return {
        "completionMode": "Indexed",
        "completions": len(plan.targets),
        "parallelism": parallelism,
        "backoffLimitPerIndex": fleet.retries,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": failure_policy(plan.changing),
        "ttlSecondsAfterFinished": _KEPT,
        "template": _template(fleet, config),
    }


def _template(fleet: Fleet, config: str) -> dict[str, Any]:
    given = deepcopy(dict(fleet.pod))
    resources = given.pop("resources", _RESOURCES)
    annotations, labels = given.pop("annotations", {}), given.pop("labels", {})
    spec: dict[str, Any] = {
        **given,
        "restartPolicy": "Never",
        "serviceAccountName": fleet.service_account,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _PATIENCE,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(fleet, resources)],
        "volumes": [
            {"name": "plan", "configMap": {"name": config}},
            {"name": "work", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    metadata = {"labels": {**labels, **_labels(fleet)}}
    return {"metadata": metadata | ({"annotations": annotations} if annotations else {}), "spec": spec}


def _container(fleet: Fleet, resources: Mapping[str, Any]) -> dict[str, Any]:
    job_name = {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}}
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": fleet.image,
        "args": ["fleet", "work", PLAN_FILE],
        "env": [{"name": "PGNB_FLEET_JOB", "valueFrom": job_name}],
        "resources": dict(resources),
        "readinessProbe": {"exec": {"command": ["test", "-e", STARTED]}, "periodSeconds": 2},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "plan", "mountPath": PLAN_FILE.rpartition("/")[0], "readOnly": True},
            {"name": "work", "mountPath": WORK},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    if fleet.records_secret:
        container["envFrom"] = [{"secretRef": {"name": fleet.records_secret}}]
    return container


def _labels(fleet: Fleet) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "pgnb",
        "app.kubernetes.io/component": "fleet",
        FLEET: fleet.name,
    }
