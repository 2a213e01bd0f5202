"""The loops that make what is match what was asked for: one module for each kind, on top of the store."""
