"""The queries of the practices."""
