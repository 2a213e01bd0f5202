"""Combinations that a reload accepts and the next start does not."""

from __future__ import annotations

import pytest

from pgnb.postgres.config.startup_checks import combination_checks

SOUND = {
    "wal_level": "replica",
    "archive_mode": "off",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_connections": "100",
    "superuser_reserved_connections": "3",
}


def failed(slots: int = 0, logical: int = 0, **values: str) -> list[str]:
    return [check.name for check in combination_checks(SOUND | values, slots, logical) if check.stops]


def test_the_defaults_start():
    assert failed() == []


@pytest.mark.parametrize(
    ("values", "slots", "logical", "name"),
    [
        ({"wal_level": "minimal"}, 0, 0, "wal_level at the next start"),
        (
            {"wal_level": "minimal", "max_wal_senders": "0", "archive_mode": "on"},
            0,
            0,
            "wal_level at the next start",
        ),
        ({"wal_level": "minimal", "max_wal_senders": "0"}, 1, 0, "wal_level at the next start"),
        ({}, 1, 1, "wal_level at the next start"),
        ({"max_replication_slots": "2"}, 3, 0, "room for the slots at the next start"),
        ({"max_connections": "3"}, 0, 0, "connections at the next start"),
    ],
)
def test_what_would_be_fatal_at_the_next_start_stops(values, slots, logical, name):
    assert failed(slots, logical, **values) == [name]


def test_minimal_wal_is_fine_where_nothing_needs_more():
    assert failed(wal_level="minimal", max_wal_senders="0") == []
