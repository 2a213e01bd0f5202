"""Base of all floors: errors, journal, checks, plans, findings and their display."""
