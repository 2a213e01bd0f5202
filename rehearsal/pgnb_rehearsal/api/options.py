"""The query parameters of a request, and of a DELETE its body, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgnb_rehearsal.api.status import FieldError, StatusError, bad_request, not_supported

_VALIDATIONS = ("Ignore", "Warn", "Strict")


@dataclass(frozen=True)
class WriteOptions:
    """`manager` owns what is written; `validation` says what becomes of unknown fields."""

    manager: str
    dry_run: bool
    validation: str
    force: bool


@dataclass(frozen=True)
class DeleteOptions:
    """`grace` in seconds, None for the object's own."""

    grace: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def write_options(kind: str, query: Mapping[str, str], user_agent: str) -> WriteOptions:
    """`kind` is CreateOptions, UpdateOptions or PatchOptions; StatusError 422 for a bad value.

    The manager is the fieldManager or, as in life, the user agent up to its version.
    """
    validation = query.get("fieldValidation") or "Warn"
    if validation not in _VALIDATIONS:
        error = not_supported("fieldValidation", f'"{validation}"', ("", *_VALIDATIONS))
        raise options_error(kind, [error])
    manager = query.get("fieldManager") or user_agent.split("/")[0]
    return WriteOptions(manager[:128], _dry_run(kind, query.get("dryRun")), validation, _true(query, "force"))


def delete_options(query: Mapping[str, str], body: Any) -> DeleteOptions:
    """From the body's DeleteOptions when there is one, else from the query; StatusError 400, 422."""
    if body is not None and not isinstance(body, dict):
        raise bad_request("the body of a DELETE must be a DeleteOptions object")
    given = {**query, **(body or {})}
    preconditions = given.get("preconditions") or {}
    dry_run = given.get("dryRun")
    return DeleteOptions(
        _grace(given.get("gracePeriodSeconds")),
        _propagation(given),
        preconditions.get("uid") or "",
        preconditions.get("resourceVersion") or "",
        _dry_run("DeleteOptions", dry_run[0] if isinstance(dry_run, list) and dry_run else dry_run or None),
    )


def options_error(kind: str, errors: list[FieldError]) -> StatusError:
    """422 about the options themselves."""
    texts = ", ".join(f"{error.field}: {error.text}" for error in errors)
    causes = [{"reason": e.reason, "message": e.text, "field": e.field} for e in errors]
    details = {"group": "meta.k8s.io", "kind": kind, "causes": causes}
    return StatusError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {texts}', details)


def _true(query: Mapping[str, str], key: str) -> bool:
    return query.get(key, "").lower() in ("1", "true")


def _dry_run(kind: str, value: Any) -> bool:
    if value in (None, ""):
        return False
    if value != "All":
        raise options_error(kind, [not_supported("dryRun", f'["{value}"]', ("All",))])
    return True


def _grace(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad_request(f'gracePeriodSeconds must be a number of seconds, not "{value}"') from None


def _propagation(given: Mapping[str, Any]) -> str:
    policy = given.get("propagationPolicy") or ""
    if not policy and given.get("orphanDependents") in (True, "true"):
        return "Orphan"
    return str(policy)
