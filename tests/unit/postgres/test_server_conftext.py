"""postgresql.conf as text: few lines change, all others stay, and the last line of a name wins."""

from __future__ import annotations

import pytest

from pgnb.core.errors import ParameterError
from pgnb.postgres.config.conftext import settings_of, with_include, with_managed_settings, with_settings

TEXT = """\
# a comment
listen_addresses = '*'   # everywhere
Port 5433
wal_keep_size = 0
wal_keep_size = 128MB
log_line_prefix = '%m [%p] it''s'
shared_preload_libraries = ''
"""


def test_settings_are_read_as_the_server_takes_them():
    assert settings_of(TEXT) == {
        "listen_addresses": "*",
        "port": "5433",
        "wal_keep_size": "128MB",
        "log_line_prefix": "%m [%p] it's",
        "shared_preload_libraries": "",
    }


def test_only_the_line_that_counts_is_changed_and_its_comment_kept():
    after = with_settings(TEXT, {"listen_addresses": "localhost", "wal_keep_size": "1GB", "port": "5433"})
    changed = [new for old, new in zip(TEXT.splitlines(), after.splitlines(), strict=True) if old != new]
    assert changed == ["listen_addresses = 'localhost'  # everywhere", "wal_keep_size = '1GB'"]


def test_writing_what_stands_there_changes_nothing():
    assert with_settings(TEXT, settings_of(TEXT)) == TEXT


def test_a_missing_setting_is_appended():
    assert with_settings(TEXT, {"max_wal_senders": "10"}) == TEXT + "max_wal_senders = '10'\n"


@pytest.mark.parametrize("value", ["it's", "C:\\x", "a # b", "", "%m [%p] ", "x = 'y'"])
def test_what_is_written_is_read_back_as_it_was(value):
    assert settings_of(with_settings("", {"log_line_prefix": value})) == {"log_line_prefix": value}


@pytest.mark.parametrize("line", ["= 5", "wal_level = 'replica", "a b c", "wal-level = 5", "port = 'a' b"])
def test_a_line_that_the_server_would_not_understand_is_named(line):
    with pytest.raises(ParameterError) as refused:
        settings_of(f"port = 5432\n{line}\n")
    assert refused.value.found.startswith("line 2:")


def test_the_managed_file_begins_with_its_header_once():
    first = with_managed_settings("", {"work_mem": "8MB"})
    assert first.startswith("# Written by pgnb")
    assert with_managed_settings(first, {"work_mem": "8MB"}) == first
    assert with_managed_settings(first, {"work_mem": "9MB"}).count("work_mem") == 1


def test_the_include_stands_at_the_end_and_only_once():
    once = with_include(TEXT, frozenset({"port"}))
    assert once.startswith(TEXT)
    assert once.endswith("include_if_exists = 'pgnb.conf'\n")
    assert with_include(once, frozenset({"port"})) == once


def test_the_include_moves_only_below_a_line_that_would_win_over_it():
    appended = with_include(TEXT, frozenset()) + "port = 5434\n"
    assert with_include(appended, frozenset({"work_mem"})) == appended
    moved = with_include(appended, frozenset({"port"}))
    assert moved.endswith("include_if_exists = 'pgnb.conf'\n")
    assert moved.count("pgnb.conf") == 1
