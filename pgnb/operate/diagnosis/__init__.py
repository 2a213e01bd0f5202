"""A diagnosis: evidence of a primary, its standbys and what lies between; and the findings that follow."""

from pgnb.findings import AREAS, KINDS, Diagnosis, Finding
from pgnb.operate.diagnosis.collect import collect_evidence
from pgnb.operate.diagnosis.diagnose import diagnose
from pgnb.operate.diagnosis.seen import Evidence

__all__ = ["AREAS", "KINDS", "Diagnosis", "Evidence", "Finding", "collect_evidence", "diagnose"]
