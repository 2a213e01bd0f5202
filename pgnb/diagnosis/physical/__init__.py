"""A diagnosis: evidence of a primary, its standbys and what lies between; and the findings that follow."""

from pgnb.core.findings import AREAS, KINDS, Diagnosis, Finding
from pgnb.diagnosis.physical.collect import collect_evidence
from pgnb.diagnosis.physical.diagnose import diagnose
from pgnb.diagnosis.physical.observation import Evidence

__all__ = ["AREAS", "KINDS", "Diagnosis", "Evidence", "Finding", "collect_evidence", "diagnose"]
