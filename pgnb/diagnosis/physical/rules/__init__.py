"""The rules: each module reads the evidence and names what it finds in its part of it. Pure functions."""
