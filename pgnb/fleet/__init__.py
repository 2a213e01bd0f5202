"""Many targets as one fleet: their records in an object store, and the report of them."""
