"""pg_hba.conf as text: the first match decides, so a rule is put where it does."""

from __future__ import annotations

import pytest

from pgnb.core.errors import ParameterError
from pgnb.postgres.config.hbarule import Client, HbaRule
from pgnb.postgres.config.hbatext import BEGIN, decided_by, rules_of, with_rules

IMAGE = """\
# TYPE  DATABASE        USER            ADDRESS                 METHOD
local   all             all                                     trust
host    all             all             127.0.0.1/32            trust
host    all             all             ::1/128                 trust
local   replication     all                                     trust
host    replication     all             127.0.0.1/32            trust
host all all all scram-sha-256
"""
REPLICATOR = HbaRule("host", "replication", "replicator", "10.244.0.0/16")


def order(text: str) -> list[str]:
    return [placed.raw for placed in rules_of(text)]


def test_a_rule_that_nothing_answers_for_is_put_at_the_end():
    assert order(with_rules(IMAGE, [REPLICATOR]))[-1] == REPLICATOR.line


def test_a_rule_stands_before_the_first_that_would_answer_for_it():
    text = IMAGE.replace("host all all all scram-sha-256", "host replication all 10.0.0.0/8 md5")
    lines = order(with_rules(text, [REPLICATOR]))
    assert lines.index(REPLICATOR.line) == lines.index("host replication all 10.0.0.0/8 md5") - 1


def test_the_second_time_nothing_changes():
    once = with_rules(IMAGE, [REPLICATOR])
    assert with_rules(once, [REPLICATOR]) == once


def test_a_second_rule_joins_the_block():
    other = HbaRule("host", "replication", "other", "10.244.0.0/16")
    both = with_rules(with_rules(IMAGE, [REPLICATOR]), [other])
    assert both.count(BEGIN) == 1
    assert with_rules(both, [REPLICATOR, other]) == both


def test_an_equal_rule_that_somebody_wrote_is_enough():
    text = IMAGE + "host   replication  replicator 10.244.0.0/16   scram-sha-256  # by hand\n"
    assert with_rules(text, [REPLICATOR]) == text


def test_an_equal_rule_behind_one_that_answers_for_it_is_not_enough():
    text = IMAGE + "host replication all 0.0.0.0/0 md5\n" + REPLICATOR.line + "\n"
    after = with_rules(text, [REPLICATOR])
    assert decided_by(after, Client("", "replicator", "10.244.0.9", replication=True)) == REPLICATOR


def test_no_rule_is_put_in_front_of_one_that_rejects():
    text = "host replication all 10.244.7.0/24 reject\n" + IMAGE
    with pytest.raises(ParameterError) as refused:
        with_rules(text, [REPLICATOR])
    assert "line 1" in refused.value.found


def test_an_include_is_not_passed_since_its_rules_are_not_known():
    text = "include other.conf\n" + IMAGE
    assert order(with_rules(text, [REPLICATOR]))[0] == REPLICATOR.line


def test_a_wider_rule_that_answers_in_the_same_way_is_enough():
    app = HbaRule("host", "postgres", "replicator", "10.244.0.0/16")
    assert with_rules(IMAGE, [app]) == IMAGE
    assert with_rules(IMAGE, [HbaRule("host", "postgres", "replicator", "10.244.0.0/16", "cert")]) != IMAGE
    assert with_rules(IMAGE, [HbaRule("host", "replication", "replicator", "10.244.0.0/16")]) != IMAGE


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        ("host all all 10.0.0.0/8 md5", "host db r 10.1.0.0/16 md5", True),
        ("host all all 10.0.0.0/8 md5", "hostssl db r 10.1.0.0/16 md5", True),
        ("hostssl all all 10.0.0.0/8 md5", "host db r 10.1.0.0/16 md5", False),
        ("host all all 10.1.0.0/16 md5", "host db r 10.0.0.0/8 md5", False),
        ("host all all fd00::/8 md5", "host db r 10.0.0.0/8 md5", False),
        ("host all all fd00::/8 md5", "host db r fd00:1::/32 md5", True),
        ("host db r samenet md5", "host db r 10.0.0.0/8 md5", False),
        ("host db r,s all md5", "host db r all md5", True),
        ("host db r all md5", "host db r,s all md5", False),
    ],
)
def test_one_rule_covers_another_only_where_that_is_sure(one, other, covers):
    first, second = (rules_of(text)[0].rule for text in (one, other))
    assert first.covers(second) is covers


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ("host all all 0.0.0.0/0 md5", "host replication r 10.0.0.0/8 md5", False),
        ("host all,replication all all md5", "host replication r 10.0.0.0/8 md5", True),
        ("host replication all ::/0 md5", "host replication r 10.0.0.0/8 md5", False),
        ("host replication all 10.1.0.0/16 md5", "host replication r 10.0.0.0/8 md5", True),
        ("host replication all 11.0.0.0/8 md5", "host replication r 10.0.0.0/8 md5", False),
        ("hostssl replication all all md5", "host replication r 10.0.0.0/8 md5", True),
        ("hostssl replication all all md5", "hostnossl replication r 10.0.0.0/8 md5", False),
        ("local replication all peer", "host replication r 10.0.0.0/8 md5", False),
        ("host replication +group samenet md5", "host replication r 10.0.0.0/8 md5", True),
        ('host replication "r" all md5', "host replication r 10.0.0.0/8 md5", True),
        ("host replication other all md5", "host replication r 10.0.0.0/8 md5", False),
        ("host db all .example.com md5", "host db r 10.0.0.0/8 md5", True),
    ],
)
def test_rules_meet_where_a_connection_could_match_both(one, other, meets):
    first, second = (rules_of(text)[0].rule for text in (one, other))
    assert first.overlaps(second) is meets
    assert second.overlaps(first) is meets


@pytest.mark.parametrize(
    ("client", "line"),
    [
        (Client("shop", "app", "127.0.0.1"), 3),
        (Client("shop", "app", "::1"), 4),
        (Client("shop", "app"), 2),
        (Client("", "r", "127.0.0.1", replication=True), 6),
        (Client("shop", "app", "10.9.9.9"), 7),
    ],
)
def test_the_first_matching_rule_decides(client, line):
    expected = next(placed.rule for placed in rules_of(IMAGE) if placed.number == line)
    assert decided_by(IMAGE, client) == expected


def test_a_replication_connection_is_not_let_in_by_all():
    assert decided_by(IMAGE, Client("", "replicator", "10.9.9.9", replication=True)) is None


def test_lists_quotes_options_and_the_older_mask_are_read():
    line = 'hostssl a, "b c" x 10.0.0.0 255.0.0.0 cert map=m clientcert=verify-full # why'
    (placed,) = rules_of(line)
    assert placed.rule == HbaRule(
        "hostssl", 'a,"b c"', "x", "10.0.0.0/8", "cert", "map=m clientcert=verify-full"
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (HbaRule("hst", "all", "x", "all"), "not a type"),
        (HbaRule("host", "all", "x", "all", "plain"), "not a method"),
        (HbaRule("host", "all", "x", ""), "needs an address"),
        (HbaRule("local", "all", "x", "all"), "needs an address"),
        (HbaRule("host", "all", "x", "10.0.0.1"), "not a range"),
        (HbaRule("host", "all", "x", "10.0.0.1/8"), "not a range"),
        (HbaRule("host", "all", "x", "10.0.0.0/33"), "not a range"),
        (HbaRule("host", "all", "x", "fd00::1/8"), "not a range"),
        (HbaRule("host", "", "x", "all"), "needs a database and a user"),
    ],
)
def test_a_rule_that_the_server_would_refuse_is_refused_before(rule, words):
    with pytest.raises(ParameterError, match=words):
        rule.checked()


def test_names_are_quoted_where_they_must_be():
    assert HbaRule("host", "日本 db", "a b", "all").line == 'host  "日本 db"  "a b"  all  scram-sha-256'


def test_a_line_with_too_few_fields_is_named():
    with pytest.raises(ParameterError) as refused:
        rules_of("host all all\n")
    assert "line 1" in refused.value.found
