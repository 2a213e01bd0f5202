"""Translations of what checks and gates say."""
