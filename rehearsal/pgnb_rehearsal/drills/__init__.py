"""Practising the runbooks on the rehearsal cluster."""
