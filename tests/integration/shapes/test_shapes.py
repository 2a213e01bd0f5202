"""The notebooks 01 to 05 on primaries of other shapes: planned, carried out, run again.

A StatefulSet with a claim template goes through all of them in test_rights.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shaped
from cells import performed
from places import Place, bring_up
from shaped import Shape

from pgnb.runbook import catalogue, params, runner
from pgnb.runbook.records import Archive
from pgnb.runbook.verdict import Verdict

pytestmark = pytest.mark.long

RESTART = {"settings": shaped.SETTINGS | {"wal_level": "logical"}, "allow_restart": True}
FEEDBACK = {"hot_standby": "on", "hot_standby_feedback": "on", "max_standby_streaming_delay": "45s"}


@pytest.mark.parametrize(
    ("make", "more"),
    [(shaped.mounted_configuration, RESTART), (shaped.elsewhere, {}), (shaped.eighteen, {})],
    ids=["configuration on a mount", "an older PostgreSQL, PGDATA elsewhere", "PostgreSQL 18"],
)
def test_a_primary_of_another_shape_gets_its_standby(
    place: Callable[[Shape], Place], make: Callable[[], Shape], more: dict[str, Any]
) -> None:
    given = place(make()).parameters | more | {"standby_settings": FEEDBACK}
    for number in ("02", "03"):
        with performed(number, given | {"dry_run": "true"}) as names:
            assert names["cluster"].journal.entries == []
    for number in ("01", "02", "03", "05"):
        with performed(number, given) as names:
            if number == "03":
                standing = names["replica"].settings(FEEDBACK)
                assert [setting.name for setting in standing if not setting.met] == []
    for number in ("02", "03"):
        with performed(number, given) as names:
            assert names["cluster"].journal.entries == []


def test_a_workload_with_a_sidecar_and_a_mounted_configuration_is_adopted(
    place: Callable[[Shape], Place], tmp_path: Path
) -> None:
    """By the runner: it is rolling, runs an unrelated initdb, and its sidecar stands before its server."""
    there, adopted = place(shaped.seventeen()), shaped.mounted_configuration()
    bring_up(there.cluster, adopted)
    given = there.parameters | {
        "standby": adopted.name,
        "standby_selector": adopted.parameters["primary_selector"],
        "standby_config_map": "billing-conf",
        "standby_settings": FEEDBACK,
    }
    archive = Archive(tmp_path)
    for number in ("02", "03", "04"):
        notebook = catalogue.select([number])[0]
        record = runner.run(notebook, params.validate(notebook, given, given), archive, progress=False)
        assert record.verdict == Verdict.PASSED, record.error
    with performed("03", given) as names:
        assert names["cluster"].journal.entries == []
        standing = names["replica"].settings(FEEDBACK)
        assert [setting.name for setting in standing if not setting.met] == []
