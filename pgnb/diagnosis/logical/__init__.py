"""What is wrong with logical replication: evidence of both sides and of the log, and findings that follow."""

from pgnb.core.findings import Diagnosis, Finding
from pgnb.diagnosis.logical.diagnose import diagnose_logical

__all__ = ["Diagnosis", "Finding", "diagnose_logical"]
