"""Indexes of a Job in their compressed form: `1,3-5`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator


def read_indexes(text: str, completions: int) -> set[int]:
    """The indexes below `completions` that `text` names."""
    return {index for span in _spans(text) for index in range(span.start, min(span.stop, completions))}


def _spans(text: str) -> Iterator[range]:
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield range(int(first), int(last or first) + 1)


def written_indexes(indexes: Iterable[int]) -> str:
    """The indexes in order; three and more in a row as a range."""
    parts: list[str] = []
    for _, run in itertools.groupby(enumerate(sorted(set(indexes))), lambda pair: pair[1] - pair[0]):
        row = [index for _, index in run]
        parts += [f"{row[0]}-{row[-1]}"] if len(row) > 2 else map(str, row)
    return ",".join(parts)


def check_indexes(text: str, completions: int) -> int:
    """How many indexes `text` names; ValueError, in Kubernetes' words, when it is not in that form."""
    total, last = 0, -1
    for part in text.split(",") if text else ():
        first, end = _ends(part, completions)
        _check_order(last, first)
        total, last = total + end - first + 1, end
    return total


def _ends(part: str, completions: int) -> tuple[int, int]:
    """The first and the last index of `3` or `3-5`."""
    ends = part.split("-")
    if len(ends) > 2:
        raise ValueError(
            f'the fragment "{part}" violates the requirement that an index interval can have at most two '
            "parts separated by '-'"
        )
    numbers = [_index(end, completions) for end in ends]
    if len(numbers) > 1:
        _check_order(*numbers)
    return numbers[0], numbers[-1]


def _check_order(before: int, after: int) -> None:
    if before >= after:
        raise ValueError(f"non-increasing order, previous: {before}, current: {after}")


def _index(text: str, completions: int) -> int:
    if not text.isdecimal():
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)
