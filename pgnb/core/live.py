"""A result that changes while a cell runs: one output in a notebook, rewritten in place."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any

from pgnb.core.display import SupportsHtml

_EVERY = 0.5
"""Seconds between two pictures at least."""


class Live:
    """Shows what it is given in one place, and takes it away at the end: the cell's own result follows.

    Outside a notebook it shows nothing; the wait's own line says how far it is.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = monotonic()

    def show(self, content: SupportsHtml) -> None:
        """Rewrite the output, at most twice a second; what is over at once is never shown."""
        if monotonic() - self._shown < _EVERY or not _in_notebook():
            return
        from IPython.display import HTML, display

        self._shown, page = monotonic(), HTML(content._repr_html_())
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)

    def close(self) -> None:
        """Leave nothing behind."""
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(""))


def _in_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"
