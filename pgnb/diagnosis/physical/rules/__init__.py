"""Rules: each module derives the findings of one subject from the evidence. Pure functions."""
