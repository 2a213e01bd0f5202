"""What every floor stands on: errors, the journal, checks, plans, findings, and how they are shown."""
