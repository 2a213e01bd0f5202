"""Tables that belong to an extension (A3, B4): plpgsql is given one, as PostGIS has spatial_ref_sys."""

from __future__ import annotations

from tests.real.place import Place
from tests.real.servers import PRIMARY, plain

_TABLES = (
    "CREATE TABLE owned (id int)",
    "INSERT INTO owned VALUES (1)",
    "ALTER EXTENSION plpgsql ADD TABLE owned",
)


def test_an_extensions_table_without_a_key_is_told_before_a_publication_breaks_it(place: Place) -> None:
    place.start_primary(plain)
    for statement in _TABLES:
        place.psql(PRIMARY, statement, "shop")
    place.passes("02")
    place.stops("12", "owned", databases=["shop"])
    place.psql(PRIMARY, "DELETE FROM owned", "shop")
    assert place.psql(PRIMARY, "SELECT count(*) FROM pg_publication", "shop") == "0"
