"""Named queries: SQL in files, with a variant for each major version that changed the catalog.

`name` is the file `queries/name.sql` of this floor; `floor/name` is `pgnb/<floor>/queries/name.sql`, so that
each floor has its own SQL. `name.16.sql` beside `name.sql` is sent since 16.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from pgnb.core.errors import ParameterError

_NAME = re.compile(r"(?:(?P<floor>[a-z_]+)/)?(?P<name>[a-z][a-z0-9_]*)\Z")
_VARIANT = re.compile(r"(?P<name>[a-z][a-z0-9_]*?)(?:\.(?P<major>\d+))?\.sql\Z")


def is_name(text: str) -> bool:
    """Return whether the text is a query's name; SQL always contains a space."""
    return _NAME.match(text) is not None


@cache
def sql_of(name: str, major: int) -> str:
    """Return the SQL of a named query for a server of that major version.

    Raises ParameterError if no file has that name, or none is for such an old server.
    """
    variants = {since: text for since, text in _variants(name).items() if since <= major or since == 0}
    if not variants:
        raise ParameterError(f"no query named {name!r} for PostgreSQL {major}")
    return variants[max(variants)]


@cache
def _variants(name: str) -> dict[int, str]:
    match = _NAME.match(name)
    if match is None:
        raise ParameterError(f"not a query's name: {name!r}")
    folder = files(f"pgnb.{match['floor'] or 'postgres'}") / "queries"
    if not folder.is_dir():
        return {}
    found = ((_VARIANT.match(file.name), file) for file in folder.iterdir())
    return {
        int(variant["major"] or 0): file.read_text(encoding="utf-8")
        for variant, file in found
        if variant and variant["name"] == match["name"]
    }
