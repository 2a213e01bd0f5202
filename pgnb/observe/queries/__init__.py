"""The queries of this floor: SQL in files (see pgnb.postgres.queries)."""
