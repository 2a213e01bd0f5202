"""Drills: the runbooks practised on the rehearsal cluster."""
