"""Section 11: alerts, backups, and the history of runs."""
