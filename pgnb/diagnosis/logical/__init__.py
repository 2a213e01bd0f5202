"""Diagnose logical replication from the catalogs of both servers and the subscriber's log."""

from pgnb.core.findings import Diagnosis, Finding
from pgnb.diagnosis.logical.diagnose import diagnose_logical

__all__ = ["Diagnosis", "Finding", "diagnose_logical"]
