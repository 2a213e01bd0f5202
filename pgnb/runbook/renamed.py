"""Parameters that changed their name: the old name is taken for one release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pgnb.core.errors import ParameterError

RENAMED: Mapping[str, str] = {
    "path": "operation",
    "accept_lost_slots": "allow_slot_loss",
    "take_slots": "reuse_slots",
    "wanted_slots": "desired_slots",
    "uncounted": "skip_row_count",
}
"""Old name → new name."""


def current_name(name: str, declared: Iterable[str]) -> str:
    """Return the name that the declared parameters have for `name`: the new one of a renamed parameter."""
    own = set(declared)
    new = RENAMED.get(name, name)
    return new if new in own and name not in own else name


def with_current_names(values: Mapping[str, Any], declared: Iterable[str]) -> dict[str, Any]:
    """Return the values under the names that are declared.

    Raises ParameterError when a parameter is given by its old and by its new name.
    """
    own = set(declared)
    taken: dict[str, Any] = {}
    for name, value in values.items():
        new = current_name(name, own)
        if new != name and new in values:
            raise ParameterError(
                f"{name} and {new} are both given",
                found=f"{name} is the old name of {new}",
                remedy=f"Give only {new}.",
            )
        taken[new] = value
    return taken


def rename_notices(values: Iterable[str], declared: Iterable[str]) -> list[str]:
    """Return one sentence for each given name that is an old one."""
    own = set(declared)
    renamed = [(name, current_name(name, own)) for name in values]
    return [
        f"{name} is called {new} now: the old name is taken for this release only"
        for name, new in renamed
        if new != name
    ]


def renamed_error(name: str, declared: Iterable[str]) -> ParameterError | None:
    """Return the refusal of an old name where it can no longer take effect; None if `name` is no old one."""
    new = current_name(name, declared)
    if new == name:
        return None
    return ParameterError(
        f"{name} is called {new} now: the value of {name} has no effect",
        remedy=f"Give {new} instead, or run by `pgnb run`, which takes the old name for this release.",
    )
