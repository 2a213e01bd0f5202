"""Whether an object may be stored: the server's rules about names, fields, and what may not change.

Kubernetes' `pkg/apis/*/validation`, as far as a runbook can meet them.
"""

from __future__ import annotations

from collections.abc import Callable

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import FieldError
from pgnb_rehearsal.api.validation import changes, jobs, kinds, limits, workloads
from pgnb_rehearsal.api.validation.metadata import metadata_errors, metadata_update_errors
from pgnb_rehearsal.api.validation.pods import pod_errors

__all__ = ["created", "updated"]

Rules = Callable[[Object], list[FieldError]]

_RULES: dict[str, Rules] = {
    "clusterrolebindings": kinds.binding_errors,
    "clusterroles": kinds.role_errors,
    "configmaps": kinds.config_map_errors,
    "deployments": workloads.deployment_errors,
    "cronjobs": jobs.cron_job_errors,
    "jobs": jobs.job_errors,
    "leases": kinds.lease_errors,
    "limitranges": limits.limit_range_errors,
    "persistentvolumeclaims": kinds.claim_errors,
    "pods": pod_errors,
    "replicasets": workloads.replica_set_errors,
    "resourcequotas": limits.quota_errors,
    "rolebindings": kinds.binding_errors,
    "roles": kinds.role_errors,
    "secrets": kinds.secret_errors,
    "services": kinds.service_errors,
    "statefulsets": workloads.stateful_set_errors,
}


def created(resource: Resource, new: Object) -> list[FieldError]:
    """What is wrong with a new object."""
    return [*metadata_errors(resource, new), *_of_kind(resource, new)]


def updated(resource: Resource, old: Object, new: Object) -> list[FieldError]:
    """What is wrong with an updated object, or with the change."""
    errors = metadata_update_errors(old, new)
    return [*errors, *_of_kind(resource, new), *changes.change_errors(resource, old, new)]


def _of_kind(resource: Resource, obj: Object) -> list[FieldError]:
    rules = _RULES.get(resource.plural)
    return rules(obj) if rules is not None else []
