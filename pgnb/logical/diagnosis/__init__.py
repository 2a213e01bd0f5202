"""What is wrong with logical replication: evidence of both sides and of the log, and findings that follow."""

from pgnb.logical.diagnosis.diagnose import diagnose_logical
from pgnb.logical.diagnosis.finding import LogicalDiagnosis, LogicalFinding

__all__ = ["LogicalDiagnosis", "LogicalFinding", "diagnose_logical"]
