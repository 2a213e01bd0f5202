"""How a database is known that pgnb made for a while: such a one may be dropped, and is never replicated."""

SCRATCH = "pgnb scratch: made for a test of replication, may be dropped"
"""Its comment."""
OWN = "pgnb_"
"""How its name begins, where no parameter gave it; a run that was killed may not have come to the comment."""
