"""What a subscriber would copy, by its version."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.logical.publication import Published
from pgnb.logical.targets import copy_checks

WHOLE = Published("public", "whole", None, False, 10, 8192)
FILTERED = Published("public", "filtered", "(id > 5)", False, 10, 8192)
LISTED = Published("app", "listed", None, True, 10, 8192)


def subscriber(major: int) -> Any:
    return SimpleNamespace(facts=SimpleNamespace(major=major, version_text=f"{major}.1"))


def test_a_subscriber_of_14_would_copy_more_than_is_published() -> None:
    (check,) = copy_checks(subscriber(14), "shop", [WHOLE, FILTERED, LISTED])
    assert not check.ok
    assert check.name == "shop: partly published tables"
    assert check.found == "public.filtered, app.listed; the subscriber is 14.1"
    assert copy_checks(subscriber(14), "shop", [WHOLE]) == []


@pytest.mark.parametrize("major", [15, 18])
def test_later_ones_copy_what_is_published(major: int) -> None:
    assert copy_checks(subscriber(major), "shop", [WHOLE, FILTERED, LISTED]) == []
