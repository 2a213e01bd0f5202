"""How a database is known that pgnb made for a while: such a one may be dropped, and is never replicated."""

import re
from hashlib import sha256

SCRATCH = "pgnb scratch: made for a test of replication, may be dropped"
"""Its comment."""
SERVICE, CUTOVER = "pgnb_service", "pgnb_cutover"
"""Those of the clients that measure a restart or a promotion, and a cut-over."""
OWN = rf"^({SERVICE}|{CUTOVER}|pgnb_new_[0-9a-f]{{8}})$"
"""The names that no parameter gives: a run that was killed may not have come to the comment."""


def is_own(database: str) -> bool:
    """Whether the name is one that pgnb alone gives."""
    return re.match(OWN, database) is not None


def unfinished(database: str) -> str:
    """The name of a database until its content is made and it gets its own."""
    return f"pgnb_new_{sha256(database.encode()).hexdigest()[:8]}"


def temporary_database(database: str) -> str:
    """How the journal names a scratch database, so that what is done in it passes with it."""
    return f"database/{database}"
