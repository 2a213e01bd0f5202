"""Previous values read from a run's journal, also from one with an incomplete last line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.online.previous_values import previous_values
from pgnb.postgres import Login, Server
from pgnb.postgres.route import Absent


def _server(port: int) -> Server:
    return Server(Absent(f"localhost:{port}", ""), Login("postgres"), Journal())


def _line(server: Server, **settings: str) -> str:
    return json.dumps({"kind": "former", "server": "x", "selector": server.name, "settings": settings})


def _journal(folder: Path, *lines: str) -> str:
    (folder / "journal.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(folder)


def test_each_server_gets_its_own_and_the_oldest_word_counts(tmp_path):
    one, other = _server(1), _server(2)
    record = _journal(
        tmp_path,
        _line(one, wal_keep_size="1GB"),
        '{"kind": "begin"}',
        _line(one, wal_keep_size="2GB", work_mem="4MB"),
        _line(other, work_mem="8MB"),
    )
    assert previous_values(record, [one, other, _server(3)]) == [
        {"wal_keep_size": "1GB", "work_mem": "4MB"},
        {"work_mem": "8MB"},
        {},
    ]
    assert previous_values(f"{record}/journal.jsonl", [one, other])[1] == {"work_mem": "8MB"}


def test_a_torn_last_line_is_left_out(tmp_path):
    server = _server(1)
    record = _journal(tmp_path, _line(server, work_mem="4MB"), '{"kind": "former", "sel')
    assert previous_values(record, [server]) == [{"work_mem": "4MB"}]


@pytest.mark.parametrize("line", ["[1]", "7", "[" * 9999])
def test_what_follows_a_line_that_is_none_of_a_journals_is_left_out(tmp_path, line):
    server = _server(1)
    record = _journal(tmp_path, _line(server, work_mem="4MB"), line, _line(server, work_mem="8MB"))
    assert previous_values(record, [server]) == [{"work_mem": "4MB"}]


def test_servers_that_are_not_given_are_named(tmp_path):
    record = _journal(tmp_path, _line(_server(9), work_mem="4MB"))
    with pytest.raises(ParameterError) as refused:
        previous_values(record, [_server(1)])
    assert refused.value.found == "localhost:9"


def test_a_record_that_changed_no_setting_cannot_be_undone(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path).finished()
    with pytest.raises(ParameterError, match="changed no setting"):
        previous_values(str(tmp_path), [_server(1)])
