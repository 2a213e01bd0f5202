"""SQL of this floor, one file a query."""
