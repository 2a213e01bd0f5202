"""Rules about Jobs and CronJobs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.status import FieldError, invalid_value, not_supported, required
from pgnb_rehearsal.api.validation import names
from pgnb_rehearsal.api.validation.policies import failure_policy_errors, success_policy_errors
from pgnb_rehearsal.api.validation.workloads import negative_errors, pod_template_errors
from pgnb_rehearsal.cron_schedule import ScheduleError, parse_schedule, time_zone

_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MODES = ("NonIndexed", "Indexed")
_MOST = 100_000
_MOST_OF_MANY = 10_000
"""The limit of parallelism and failed indexes when there are more than `_MOST` completions."""
_REPLACEMENT = ("Failed", "TerminatingOrFailed")
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_CRON_COUNTS = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
_LONGEST_MANAGER = 63
_ZONE_PART = re.compile(r"[A-Za-z._0-9+][A-Za-z._0-9+-]{0,13}")


def job_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a Job."""
    spec = obj.get("spec") or {}
    return [*_spec_errors(spec, "spec"), *_hostname_errors(obj)]


def _hostname_errors(obj: Object) -> Iterator[FieldError]:
    """The last index makes the longest hostname."""
    spec, name = obj.get("spec") or {}, lookup(obj, "metadata", "name") or ""
    if spec.get("completionMode") == "Indexed" and (spec.get("completions") or 0) > 0:
        hostname = f"{name}-{spec['completions'] - 1}"
        if names.dns_label(hostname):
            text = f"will not able to create pod with invalid DNS label: {hostname}"
            yield invalid_value("metadata.name", json.dumps(name), text)


def _spec_errors(spec: Object, path: str) -> list[FieldError]:
    """What is wrong with the spec of a Job, or of a CronJob's template for one, at `path`."""
    return [
        *negative_errors(spec, path, _COUNTS),
        *_manager_errors(spec, path),
        *_mode_errors(spec, path),
        *failure_policy_errors(spec, f"{path}.podFailurePolicy"),
        *success_policy_errors(spec, f"{path}.successPolicy"),
        *_replacement_errors(spec, path),
        *pod_template_errors(spec, path),
        *_restart_errors(spec, f"{path}.template.spec.restartPolicy"),
    ]


def _manager_errors(spec: Object, path: str) -> Iterator[FieldError]:
    manager = spec.get("managedBy")
    if manager is None:
        return
    domain, slash, rest = manager.partition("/")
    if not slash or not rest or names.dns_subdomain(domain):
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield invalid_value(f"{path}.managedBy", json.dumps(manager), text)
    if len(manager) > _LONGEST_MANAGER:
        text = f"Too long: may not be more than {_LONGEST_MANAGER} bytes"
        yield FieldError("FieldValueTooLong", f"{path}.managedBy", text)


def _mode_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Completions and the limits that go with them."""
    mode = spec.get("completionMode") or "NonIndexed"
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if mode not in _MODES:
        yield not_supported(f"{path}.completionMode", json.dumps(mode), _MODES)
    elif mode == "Indexed":
        yield from _index_errors(spec, path)
    else:
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(key) is not None:
                text = "requires indexed completion mode"
                yield invalid_value(f"{path}.{key}", str(spec[key]), text)


def _index_errors(spec: Object, path: str) -> Iterator[FieldError]:
    completions, failed = spec.get("completions"), spec.get("maxFailedIndexes")
    if completions is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    yield from _above(spec, path, "parallelism", _MOST, " when completion mode is Indexed")
    if completions is not None and failed is not None and failed > completions:
        text = "must be less than or equal to completions"
        yield invalid_value(f"{path}.maxFailedIndexes", str(failed), text)
    yield from _above(spec, path, "maxFailedIndexes", _MOST)
    if (completions or 0) > _MOST and spec.get("backoffLimitPerIndex") is not None:
        if failed is None:
            text = f"must be specified when completions is above {_MOST}"
            yield required(f"{path}.maxFailedIndexes", text)
        why = f" when completions are above {_MOST} and used with backoff limit per index"
        yield from _above(spec, path, "parallelism", _MOST_OF_MANY, why)
        yield from _above(spec, path, "maxFailedIndexes", _MOST_OF_MANY, why)


def _above(spec: Object, path: str, key: str, most: int, why: str = "") -> Iterator[FieldError]:
    if (spec.get(key) or 0) > most:
        text = f"must be less than or equal to {most}{why}"
        yield invalid_value(f"{path}.{key}", str(spec[key]), text)


def _replacement_errors(spec: Object, path: str) -> Iterator[FieldError]:
    policy = spec.get("podReplacementPolicy")
    known = ("Failed",) if "podFailurePolicy" in spec else _REPLACEMENT
    if policy is not None and policy not in known:
        yield not_supported(f"{path}.podReplacementPolicy", json.dumps(policy), known)


def _restart_errors(spec: Object, path: str) -> Iterator[FieldError]:
    policy = lookup(spec, "template", "spec", "restartPolicy")
    if policy not in ("OnFailure", "Never"):
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy != "Never" and "podFailurePolicy" in spec:
        text = 'only "Never" is supported when podFailurePolicy is specified'
        yield invalid_value(path, json.dumps(policy), text)


# -- CronJobs ----------------------------------------------------------------------------------------------


def cron_job_errors(obj: Object) -> list[FieldError]:
    """What is wrong with a CronJob."""
    spec = obj.get("spec") or {}
    job = lookup(spec, "jobTemplate", "spec") or {}
    return [
        *_schedule_errors(spec),
        *negative_errors(spec, "spec", _CRON_COUNTS),
        *_zone_errors(spec.get("timeZone")),
        *_concurrency_errors(spec.get("concurrencyPolicy")),
        *_spec_errors(job, "spec.jobTemplate.spec"),
        *_selector_errors(job, "spec.jobTemplate.spec"),
    ]


def _schedule_errors(spec: Object) -> Iterator[FieldError]:
    schedule = spec.get("schedule") or ""
    if not schedule:
        yield required("spec.schedule")
        return
    shown = json.dumps(schedule)
    try:
        parse_schedule(schedule)
    except ScheduleError as error:
        yield invalid_value("spec.schedule", shown, str(error))
    if "TZ" in schedule:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid_value("spec.schedule", shown, text)


def _zone_errors(zone: str | None) -> Iterator[FieldError]:
    if zone is None:
        return
    for text in _zone_texts(zone):
        yield invalid_value("spec.timeZone", json.dumps(zone), text)


def _zone_texts(zone: str) -> Iterator[str]:
    if not zone:
        yield "timeZone must be nil or non-empty string"
        return
    parts = zone.split("/")
    if any(part in (".", "..") or not _ZONE_PART.fullmatch(part) for part in parts):
        yield f"unknown time zone {zone}"
        return
    if zone.lower() == "local":
        yield "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    try:
        time_zone(zone)
    except ScheduleError as error:
        yield str(error)


def _concurrency_errors(policy: str | None) -> Iterator[FieldError]:
    if not policy:
        yield required("spec.concurrencyPolicy")
    elif policy not in _CONCURRENCY:
        yield not_supported("spec.concurrencyPolicy", json.dumps(policy), _CONCURRENCY)


def _selector_errors(job: Object, path: str) -> Iterator[FieldError]:
    """The selector is made for each Job."""
    if job.get("selector") is not None:
        shown = json.dumps(job["selector"], separators=(",", ":"))
        yield invalid_value(f"{path}.selector", shown, "`selector` will be auto-generated")
    if job.get("manualSelector"):
        yield not_supported(f"{path}.manualSelector", "true", ("nil", "false"))
