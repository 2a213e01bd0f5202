"""A sequence's value, and whether it could return an existing value again."""

import pytest

from pgnb.logical.sequences import SequenceAdvance, SequenceState


def _counter(last: int, called: bool, *, increment: int = 1, start: int = 1) -> SequenceState:
    low, high = (1, 2147483647) if increment > 0 else (-2147483648, 1000)
    return SequenceState("public", "s", "public.s", increment, start, low, high, (), last, called)


@pytest.mark.parametrize(
    ("mine", "theirs", "behind"),
    [
        (_counter(1, False), _counter(1, False), False),
        (_counter(1, False), _counter(1, True), True),
        (_counter(1, False), _counter(5, False), True),
        (_counter(5, True), _counter(5, True), False),
        (_counter(6, True), _counter(5, True), False),
        (_counter(5, False), _counter(5, True), True),
        (_counter(90, True, increment=-5, start=1000), _counter(85, True, increment=-5, start=1000), True),
        (_counter(85, True, increment=-5, start=1000), _counter(90, True, increment=-5, start=1000), False),
    ],
)
def test_a_sequence_is_behind_what_it_could_still_give(
    mine: SequenceState, theirs: SequenceState, behind: bool
) -> None:
    assert mine.behind(theirs.last_returned) is behind


def test_it_stays_within_its_bounds() -> None:
    assert _counter(1, False).clamped(2**40) == 2147483647
    assert _counter(1, False, increment=-1).clamped(5000) == 1000


def test_words_say_whether_it_was_called() -> None:
    assert SequenceAdvance(_counter(1, False), 7, False).summary == "public.s: 1 → 7 (not called)"
    assert SequenceAdvance(_counter(1, False), 7, True).summary == "public.s: 1 → 7"
