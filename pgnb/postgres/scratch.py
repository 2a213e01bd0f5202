"""Markers of pgnb's temporary databases, which may be dropped and are never replicated."""

import re
from hashlib import sha256

SCRATCH = "pgnb scratch: made for a test of replication, may be dropped"
"""The database's comment."""
SERVICE, CUTOVER = "pgnb_service", "pgnb_cutover"
"""Databases of the clients that measure a restart or a promotion, and a cut-over."""
OWN = rf"^({SERVICE}|{CUTOVER}|pgnb_new_[0-9a-f]{{8}})$"
"""Reserved names; an interrupted run may have created the database but not yet its comment."""


def is_own(database: str) -> bool:
    """Return whether the name is reserved for pgnb."""
    return re.match(OWN, database) is not None


def unfinished(database: str) -> str:
    """Return the temporary name of a database until its contents are complete."""
    return f"pgnb_new_{sha256(database.encode()).hexdigest()[:8]}"


def temporary_database(database: str) -> str:
    """Return the journal's name of a scratch database, so that its acts count as temporary."""
    return f"database/{database}"
