"""Values of settings: what is accepted, what it means, and what is refused with which words."""

from __future__ import annotations

import pytest

from pgnb.core.errors import ParameterError
from pgnb.postgres.config.values import normalise, quoted, same, value_of


def row(
    vartype: str, *, unit: str = "", low: str = "0", high: str = "2147483647", enum: list[str] | None = None
):
    return {
        "name": "a_setting",
        "vartype": vartype,
        "unit": unit or None,
        "min_val": low,
        "max_val": high,
        "enumvals": enum,
    }


KEEP = row("integer", unit="MB")
SEGMENTS = row("integer", unit="8kB")
DELAY = row("integer", unit="ms", low="-1")
TARGET = row("real", high="1")
LEVEL = row("enum", enum=["minimal", "replica", "logical"])
COMMIT = row("enum", enum=["local", "remote_write", "remote_apply", "on", "off"])


@pytest.mark.parametrize(
    ("setting", "wanted", "value"),
    [
        (KEEP, "1GB", "1024"),
        (KEEP, " 512 MB ", "512"),
        (KEEP, 64, "64"),
        (KEEP, "1.5GB", "1536"),
        (KEEP, "1048576kB", "1024"),
        (SEGMENTS, "128MB", "16384"),
        (SEGMENTS, "16384", "16384"),
        (DELAY, "30s", "30000"),
        (DELAY, "-1", "-1"),
        (DELAY, "1h", "3600000"),
        (row("integer", high="511"), "0777", "511"),
        (row("integer", high="511"), "0x1F", "31"),
        (TARGET, 0.9, "0.9"),
        (LEVEL, "LOGICAL", "logical"),
        (COMMIT, False, "off"),
        (COMMIT, True, "on"),
        (row("bool"), True, "on"),
        (row("bool"), "no", "off"),
        (row("bool"), 1, "on"),
        (row("string"), "*", "*"),
        (row("string"), 5, "5"),
    ],
)
def test_a_value_is_read_in_the_settings_own_unit(setting, wanted, value):
    assert normalise(setting, wanted).value == value


@pytest.mark.parametrize(
    ("setting", "wanted", "words"),
    [
        (KEEP, "1parsec", "one of the units B, kB, MB, GB, TB"),
        (KEEP, "ten", "an integer from 0 to 2147483647, in units of MB"),
        (KEEP, "-5", "from 0 to 2147483647"),
        (KEEP, "3000TB", "from 0 to 2147483647"),
        (KEEP, "1.5", "an integer"),
        (KEEP, True, "an integer"),
        (KEEP, "30s", "one of the units B, kB"),
        (DELAY, "1GB", "one of the units us, ms, s, min, h, d"),
        (row("integer", high="262143"), "10MB", "a number without a unit"),
        (TARGET, "1.1", "a number from 0 to 1"),
        (LEVEL, "archive", "minimal, replica, logical"),
        (LEVEL, False, "minimal, replica, logical"),
        (row("bool"), "maybe", "on or off"),
        (row("string"), False, "in quotes"),
        (row("string"), "a\nb", "one line"),
        (row("bool"), ">= on", "one value, not a minimum"),
    ],
)
def test_what_the_setting_does_not_accept_is_refused_with_what_it_does(setting, wanted, words):
    with pytest.raises(ParameterError) as refused:
        normalise(setting, wanted)
    assert words in refused.value.remedy
    assert "a_setting" in refused.value.message


@pytest.mark.parametrize(
    ("setting", "wish", "value", "met"),
    [
        (row("integer"), ">= 5", "10", True),
        (row("integer"), ">= 5", "5", True),
        (row("integer"), ">= 5", "4", False),
        (row("integer"), "at least 5", "10", True),
        (row("integer"), "at least 5", "4", False),
        (row("integer"), "5", "10", False),
        (LEVEL, ">= replica", "logical", True),
        (LEVEL, ">= replica", "minimal", False),
        (row("integer", unit="MB", low="-1"), ">= 1GB", "-1", True),
        (KEEP, ">= 1GB", "1023", False),
    ],
)
def test_a_minimum_is_met_by_what_is_not_below_it(setting, wish, value, met):
    assert normalise(setting, wish).accepts(setting, value) is met


def test_a_wish_is_written_as_it_was_spelled_and_a_minimum_without_its_sign():
    assert normalise(KEEP, "1 GB").text == "1GB"
    assert normalise(KEEP, ">= 1GB").text == "1GB"
    assert str(normalise(KEEP, ">= 1GB")) == ">= 1GB"


def test_lists_are_the_same_whatever_the_blanks_between_their_items():
    assert same(row("string"), "a, b", "a,b")
    assert not same(row("string"), "a, b", "b, a")


def test_file_modes_are_compared_as_octal_numbers():
    assert same(row("integer"), "0777", "511")
    assert not same(row("integer"), "0777", "777")


def test_a_value_in_a_file_that_the_server_would_refuse_is_left_as_it_stands():
    assert value_of(KEEP, "1GB") == "1024"
    assert value_of(KEEP, "one GB") == "one GB"


def test_a_quoted_value_survives_quotes_and_backslashes():
    assert quoted("it's C:\\x") == "'it''s C:\\\\x'"
