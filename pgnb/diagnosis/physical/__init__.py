"""Diagnose physical replication: evidence of a primary, its standbys and the connections between them."""

from pgnb.core.findings import AREAS, KINDS, Diagnosis, Finding
from pgnb.diagnosis.physical.collect import collect_evidence
from pgnb.diagnosis.physical.observation import Evidence, ExpectedReplication
from pgnb.diagnosis.physical.rules import diagnose

__all__ = [
    "AREAS",
    "KINDS",
    "Diagnosis",
    "Evidence",
    "ExpectedReplication",
    "Finding",
    "collect_evidence",
    "diagnose",
]
