"""Jupyter's packages, imported without what notebooks don't use.

nbformat imports jsonschema, and jsonschema imports each optional checker of formats that is installed. One of
them compiles a grammar for seconds; the notebook format has none of the formats that they check.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

_CHECKERS = (
    "fqdn",
    "isoduration",
    "rfc3339_validator",
    "rfc3986_validator",
    "rfc3987",
    "rfc3987_syntax",
    "uri_template",
    "webcolors",
)


@contextmanager
def without_checkers() -> Iterator[None]:
    """Let imports of the checkers fail in the block, as if they were not installed."""
    hidden = [name for name in _CHECKERS if name not in sys.modules]
    cast("dict[str, object]", sys.modules).update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
