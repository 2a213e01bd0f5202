"""Rules about a Job's policies: what a failed pod means, and when enough has succeeded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.api.status import (
    FieldError,
    duplicate_value,
    invalid_value,
    not_supported,
    required,
    too_many,
    without_value,
)
from pgnb_rehearsal.api.validation import names
from pgnb_rehearsal.index_ranges import check_indexes

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_MOST_RULES = 20
_MOST_CODES = 255
_MOST_PATTERNS = 20
_LONGEST_INDEXES = 64 * 1024


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _one_of(field: str, value: str | None, values: Sequence[str]) -> Iterator[FieldError]:
    """A value that must be one of an enumeration, and given."""
    if not value:
        listed = " ".join(json.dumps(known) for known in values)
        yield required(field, f"valid values: [{listed}]")
    elif value not in values:
        yield not_supported(field, _shown(value), values)


# -- failures ----------------------------------------------------------------------------------------------


def failure_policy_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """What is wrong with `podFailurePolicy` of a Job's spec."""
    rules = lookup(spec, "podFailurePolicy", "rules") or ()
    if len(rules) > _MOST_RULES:
        yield too_many(f"{path}.rules", len(rules), _MOST_RULES)
    for number, rule in enumerate(rules):
        yield from _rule_errors(spec, rule, f"{path}.rules[{number}]")


def _rule_errors(spec: Object, rule: Object, path: str) -> Iterator[FieldError]:
    action, codes, patterns = rule.get("action"), rule.get("onExitCodes"), rule.get("onPodConditions")
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        text = "requires the backoffLimitPerIndex to be set"
        yield invalid_value(f"{path}.action", _shown(action), text)
    yield from _one_of(f"{path}.action", action, _ACTIONS)
    if codes is not None:
        yield from _exit_code_errors(spec, codes, f"{path}.onExitCodes")
    if patterns:
        yield from _condition_errors(patterns, f"{path}.onPodConditions")
    if codes is not None and patterns:
        yield without_value(path, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not patterns:
        yield without_value(path, "specifying one of OnExitCodes and OnPodConditions is required")


def _exit_code_errors(spec: Object, codes: Object, path: str) -> Iterator[FieldError]:
    operator, name = codes.get("operator"), codes.get("containerName")
    yield from _one_of(f"{path}.operator", operator, _OPERATORS)
    if name is not None and name not in _container_names(spec):
        text = "must be one of the container or initContainer names in the pod template"
        yield invalid_value(f"{path}.containerName", _shown(name), text)
    yield from _value_errors(codes.get("values") or [], operator, f"{path}.values")


def _container_names(spec: Object) -> set[str]:
    pod = lookup(spec, "template", "spec") or {}
    containers = (*(pod.get("containers") or ()), *(pod.get("initContainers") or ()))
    return {container.get("name", "") for container in containers}


def _value_errors(values: list[int], operator: str | None, path: str) -> Iterator[FieldError]:
    if not values:
        yield invalid_value(path, "null", "at least one value is required")
    elif len(values) > _MOST_CODES:
        yield too_many(path, len(values), _MOST_CODES)
    for place, value in enumerate(values):
        if operator == "In" and value == 0:
            yield invalid_value(f"{path}[{place}]", "0", "must not be 0 for the In operator")
        if value in values[:place]:
            yield duplicate_value(f"{path}[{place}]", str(value))
    if any(before > after for before, after in pairwise(values)):
        yield invalid_value(path, _shown(values), "must be ordered")


def _condition_errors(patterns: list[Object], path: str) -> Iterator[FieldError]:
    if len(patterns) > _MOST_PATTERNS:
        yield too_many(path, len(patterns), _MOST_PATTERNS)
    for place, pattern in enumerate(patterns):
        kind = pattern.get("type") or ""
        for text in names.qualified_name(kind):
            yield invalid_value(f"{path}[{place}].type", _shown(kind), text)
        yield from _one_of(f"{path}[{place}].status", pattern.get("status"), _STATUSES)


# -- success -----------------------------------------------------------------------------------------------


def success_policy_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """What is wrong with `successPolicy` of a Job's spec."""
    policy = spec.get("successPolicy")
    if policy is None:
        return
    if spec.get("completionMode") != "Indexed":
        yield invalid_value(path, _shown(policy), "requires indexed completion mode")
        return
    rules = policy.get("rules") or ()
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        yield required(f"{path}.rules", text)
    if len(rules) > _MOST_RULES:
        yield too_many(f"{path}.rules", len(rules), _MOST_RULES)
    for number, rule in enumerate(rules):
        yield from _success_rule_errors(rule, spec.get("completions") or 0, f"{path}.rules[{number}]")


def _success_rule_errors(rule: Object, completions: int, path: str) -> Iterator[FieldError]:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    listed: int | None = None
    if indexes is not None:
        if len(indexes) > _LONGEST_INDEXES:
            text = f"Too long: may not be more than {_LONGEST_INDEXES} bytes"
            yield FieldError("FieldValueTooLong", f"{path}.succeededIndexes", text)
        try:
            listed = check_indexes(indexes, completions)
        except ValueError as error:
            listed, text = 0, f"error parsing succeededIndexes: {error}"
            yield invalid_value(f"{path}.succeededIndexes", _shown(indexes), text)
    if count is not None:
        yield from _count_errors(count, completions, listed, f"{path}.succeededCount")


def _count_errors(count: int, completions: int, listed: int | None, path: str) -> Iterator[FieldError]:
    if count < 0:
        yield invalid_value(path, str(count), "must be greater than or equal to 0")
    if count > completions:
        text = f"must be less than or equal to {completions} (the number of specified completions)"
        yield invalid_value(path, str(count), text)
    if listed is not None and count > listed:
        what = "the number of indexes in the specified succeededIndexes field"
        yield invalid_value(path, str(count), f"must be less than or equal to {listed} ({what})")
