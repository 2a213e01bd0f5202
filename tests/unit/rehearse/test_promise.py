"""What clients were told, held against what is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pgnb.cluster import LogLine
from pgnb.journal import Journal
from pgnb.observe.acknowledged import Found, writing_of
from pgnb.rehearse.promise import Promise, Word

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_DUPLICATE = 'ERROR:  duplicate key value violates unique constraint "heartbeat_pkey"'


def word(*texts: str, missing: tuple[int, ...] = ()) -> Word:
    lines = [LogLine(text, NOW + timedelta(seconds=0.02 * n)) for n, text in enumerate(texts)]
    writing = writing_of("client", lines, NOW + timedelta(seconds=0.02 * len(texts)))
    return Word(writing, (Found("server", writing.acknowledged, missing),))


def test_a_promise_that_is_kept_tells_every_figure() -> None:
    promise = Promise.of([word("1", "2", "3"), word("7", "8")], 1.0, Journal())
    assert promise.checks.ok
    gap, keys = "gap     20 ms, the longest in its writes", "keys    no duplicates met"
    assert promise.summary.splitlines() == [
        "client  3 rows acknowledged (client)", "found   3 on server", gap, keys,
        "client  2 rows acknowledged (client)", "found   2 on server", gap, keys,
        "promise kept: no acknowledged row is missing, and writing went on",
    ]  # fmt: skip


def test_the_loss_of_one_client_breaks_it() -> None:
    promise = Promise.of([word("1", "2"), word("7", "8", missing=(8,))], 1.0, Journal())
    assert "PROMISE BROKEN: acknowledged rows on server: 1; missing 8 (wanted 2)" in promise.summary


def test_a_loss_that_is_allowed_is_told() -> None:
    promise = Promise.of([word("1", "2", missing=(2,))], 1.0, Journal(), may_lose=True)
    assert promise.checks.ok
    assert "promise kept: 1 acknowledged rows were lost, and writing went on" in promise.summary


def test_a_gap_or_a_duplicate_key_breaks_it() -> None:
    assert not Promise.of([word("1", "2")], 0.01, Journal()).checks.ok
    promise = Promise.of([word("1", _DUPLICATE, _DUPLICATE, "2")], 1.0, Journal())
    assert "keys    2 duplicates met" in promise.summary
    assert "duplicate keys that it met: 2 (wanted 0)" in promise.summary
