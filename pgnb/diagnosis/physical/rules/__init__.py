"""Rules: each module derives the findings of one subject from the evidence. Pure functions.

`diagnose` runs all of them, and drops findings that only follow from another one.
"""

from __future__ import annotations

from pgnb.core.findings import Diagnosis, Finding
from pgnb.diagnosis.physical.observation import Evidence
from pgnb.diagnosis.physical.rules.configuration import configuration_findings
from pgnb.diagnosis.physical.rules.connection import connection_findings
from pgnb.diagnosis.physical.rules.history import history_findings
from pgnb.diagnosis.physical.rules.pods import pod_findings
from pgnb.diagnosis.physical.rules.replay import replay_findings
from pgnb.diagnosis.physical.rules.slots import slot_findings

_EXPLAINING = ("slot-missing", "slot-in-use", "wal-removed", "other-system", "other-timeline")
"""Kinds that keep a receiver from streaming, so that no other cause is reported."""


def diagnose(evidence: Evidence) -> Diagnosis:
    """Return what is wrong, worst first; nothing for a healthy pair. Only reads the evidence."""
    found: list[Finding] = [
        *pod_findings(evidence),
        *configuration_findings(evidence),
        *history_findings(evidence),
        *slot_findings(evidence),
        *replay_findings(evidence),
    ]
    explained = frozenset(finding.subject for finding in found if finding.kind in _EXPLAINING)
    found += connection_findings(evidence, explained)
    return Diagnosis.of(found, [one.name for one in evidence.observed])
