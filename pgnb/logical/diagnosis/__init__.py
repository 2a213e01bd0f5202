"""What is wrong with logical replication: evidence of both sides and of the log, and findings that follow."""

from pgnb.findings import Diagnosis, Finding
from pgnb.logical.diagnosis.diagnose import diagnose_logical

__all__ = ["Diagnosis", "Finding", "diagnose_logical"]
