"""The notebooks 01 to 05 on primaries of other shapes: planned, carried out, run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import shaped
from cells import performed
from shaped import Shape

NUMBERS = ("01", "02", "03", "04", "05")
CHANGING = ("02", "03")
RESTART = {"settings": shaped.SETTINGS | {"wal_level": "logical"}, "allow_restart": True}
FEEDBACK = {"hot_standby": "on", "hot_standby_feedback": "on", "max_standby_streaming_delay": "45s"}


@pytest.mark.parametrize(
    ("make", "more"),
    [
        (shaped.stateful_set, RESTART),
        (shaped.mounted_configuration, RESTART),
        (shaped.fifteen, {}),
        (shaped.eighteen, {}),
    ],
    ids=["StatefulSet", "configuration on a mount", "PostgreSQL 15", "PostgreSQL 18"],
)
def test_a_primary_of_another_shape_gets_its_standby(
    place: Callable[[Shape], Any], make: Callable[[], Shape], more: dict[str, Any]
) -> None:
    there = place(make())
    given = there.parameters | more | {"standby_settings": FEEDBACK}
    for number in NUMBERS:
        with performed(number, given | {"dry_run": "true"}) as names:
            assert names["cluster"].journal.entries == []
    for number in NUMBERS:
        with performed(number, given) as names:
            if number == "03":
                standing = names["replica"].settings(FEEDBACK)
                assert [setting.name for setting in standing if not setting.met] == []
    for number in CHANGING:
        with performed(number, given) as names:
            assert names["cluster"].journal.entries == []
