"""All tables but some: what is published then, also of partitions, children and extensions."""

from __future__ import annotations

from typing import Any

import pytest
from logical_pair import Pair

from pgnb.core.checks import Checks
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.diagnosis.logical import diagnose_logical
from pgnb.logical.preflight import logical_preflight, publisher_preflight
from pgnb.logical.publication import published_tables, read_publications
from pgnb.logical.publications import plan_publications
from pgnb.logical.row_comparison import compare_published

_OWNED = "ALTER EXTENSION plpgsql ADD TABLE {}"
_EXTENSION = (
    "SET allow_system_table_mods = on; INSERT INTO pg_extension (oid, extname, extowner, extnamespace,"
    " extrelocatable, extversion) VALUES (99950, 'geo', 10, 2200, false, '3.4'); INSERT INTO pg_depend VALUES"
    " ('pg_class'::regclass, 'public.known'::regclass, 0, 'pg_extension'::regclass, 99950, 0, 'e')"
)


def _stopped(checks: Checks) -> dict[str, Any]:
    return {check.name: check for check in checks.failed}


def _published(pair: Pair, database: str) -> set[str]:
    return {
        f"{t.schema}.{t.table}" for t in published_tables(pair.publisher, database, f"pub_{database}")
    } - {"pgnb.marker"}


def test_an_extension_s_filled_table_stops_first_and_is_left_out_as_the_remedy_says(pair: Pair) -> None:
    table = "CREATE TABLE spatial (id int PRIMARY KEY, name text)"
    pair.make_database(
        "geo",
        table,
        "INSERT INTO spatial VALUES (1, 'a')",
        _OWNED.format("spatial"),
        "CREATE TABLE place (id int PRIMARY KEY)",
        "INSERT INTO place VALUES (1), (2)",
        "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY)",
    )
    pair.subscriber.execute("CREATE DATABASE geo")
    for statement in (table, "INSERT INTO spatial VALUES (1, 'a')", _OWNED.format("spatial")):
        pair.subscriber.execute(statement, database="geo")
    here, there = pair.publisher, pair.subscriber
    stopped = _stopped(logical_preflight(here, there, pair.specs("geo"), settings=False))
    found = stopped["geo: tables of extensions before the copy"]
    assert found.found == "public.spatial (plpgsql, has rows on the subscriber)"
    assert "publish: {geo: [{except: [public.spatial]}]}" in found.remedy
    specs = pair.specs("geo", geo=[{"except": ["public.spatial"]}])
    assert specs[0].desired.summary == "all tables but spatial"
    checks = logical_preflight(here, there, specs, settings=False)
    assert not checks.failed
    advice = next(check for check in checks if check.name == "geo: excluded tables")
    assert "created later are not published, but in the schemas app: 12.7 adds them" in advice.remedy
    pair.set_up(specs)
    assert _published(pair, "geo") == {"public.place", "app.t"}
    assert read_publications(here, "geo")["pub_geo"].holds.schemas == ("app",)
    assert compare_published(here, there, specs).checks(pair.cluster.journal).ok
    here.execute("INSERT INTO spatial VALUES (2, 'b')", database="geo")
    assert not diagnose_logical(here, there, pair.specs("geo")).findings
    assert not plan_publications(here, specs)
    here.execute("CREATE TABLE later (id int PRIMARY KEY)", database="geo")
    assert not diagnose_logical(here, there, pair.specs("geo")).findings
    with pytest.raises(GateClosed, match="cannot be altered"):
        plan_publications(here, pair.specs("geo"))


def test_an_extension_that_will_fill_its_table_is_known_before_it_is_made(pair: Pair) -> None:
    pair.make_database(
        "fills",
        "CREATE TABLE known (id int PRIMARY KEY)",
        "INSERT INTO known VALUES (7)",
        "CREATE TABLE t (id int PRIMARY KEY)",
        _EXTENSION,
    )
    own = "UPDATE pg_extension SET extconfig = ARRAY['known'::regclass::oid], extcondition = ARRAY[{}]"
    here, there, name = pair.publisher, pair.subscriber, "fills: tables of extensions before the copy"
    conditions = {"'WHERE id < 100'": False, "''": False, "'WHERE id > 100'": True}
    for condition, stops in conditions.items():
        here.execute(f"SET allow_system_table_mods = on; {own.format(condition)}", database="fills")
        stopped = _stopped(logical_preflight(here, there, pair.specs("fills"), settings=False))
        assert (name in stopped) is stops, condition
    specs = pair.specs("fills", fills=[{"except": ["known"]}])
    assert name not in _stopped(logical_preflight(here, there, specs, settings=False))


@pytest.mark.long
def test_partitions_and_children_that_are_left_out_are_not_published_by_their_parents(pair: Pair) -> None:
    pair.make_database(
        "shapes",
        "CREATE TABLE m (t int PRIMARY KEY) PARTITION BY RANGE (t)",
        "CREATE TABLE m_1 PARTITION OF m FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE m_2 PARTITION OF m FOR VALUES FROM (10) TO (20)",
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
        "CREATE TABLE other (PRIMARY KEY (id)) INHERITS (parent)",
        "INSERT INTO other VALUES (1), (2)",
        "CREATE TABLE whole (t int PRIMARY KEY) PARTITION BY RANGE (t)",
        "CREATE TABLE whole_1 PARTITION OF whole FOR VALUES FROM (0) TO (10)",
        'CREATE SCHEMA "Old.one"; CREATE TABLE "Old.one"."T" (id int)',
    )
    left_out = [{"except": ["m_2", "child", '"Old.one".*']}]
    specs = pair.specs("shapes", shapes=left_out)
    assert publisher_preflight(pair.publisher, specs).ok
    plan = plan_publications(pair.publisher, specs)
    assert "shapes: tables created later are not published. 12.7 adds them." in plan.note
    pair.set_up(specs)
    wanted = {"public.m_1", "public.parent", "public.other", "public.whole_1"}
    assert _published(pair, "shapes") == wanted
    assert not plan_publications(pair.publisher, pair.specs("shapes", shapes=left_out))
    pair.publisher.execute("CREATE TABLE later (id int PRIMARY KEY)", database="shapes")
    again = plan_publications(pair.publisher, pair.specs("shapes", shapes=left_out))
    again.apply()
    assert _published(pair, "shapes") == {*wanted, "public.later"}


def test_what_cannot_be_left_out_is_refused(pair: Pair) -> None:
    pair.make_database(
        "refused",
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE SCHEMA app",
        "CREATE TABLE app.u (id int PRIMARY KEY)",
    )

    def specs(*published: Any) -> Any:
        return pair.specs("refused", refused=list(published))

    for names in (["T"], ["u"], ["pgnb.marker"], ["none.*"]):
        with pytest.raises(ParameterError, match="excluded in publish, but not among"):
            specs({"except": names})
    with pytest.raises(ParameterError, match="excluded in publish, but not among"):
        specs("app.*", {"except": ["t"]})
    with pytest.raises(ParameterError, match="no table remains"):
        specs({"except": ["t", "app.u"]})
    with pytest.raises(ParameterError, match="both named and excluded"):
        specs("app.*", "t", "app.u", {"except": ["app.u"]})
    assert specs("app.*", "public.*", {"except": ["t"]})[0].desired.schemas == ("app",)
