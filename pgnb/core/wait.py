"""Wait for a condition with a deadline, and show meanwhile what is waited for and its state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from threading import Event
from time import monotonic
from typing import Any, TypeVar

from pgnb.core.display import SupportsHtml, format_duration
from pgnb.core.errors import ApiUnreachable, DeadlineExceeded

T = TypeVar("T")
SHOWN_AFTER = 2.0
"""Seconds after which a wait shows its progress."""
_REDRAWN_EVERY = 0.5
"""Seconds between two updates of a displayed result, at least."""


@dataclass
class Progress:
    """One line that is rewritten in place: in a notebook's output, or on a terminal's standard error."""

    label: str
    started: float = field(default_factory=monotonic)
    _handle: Any = None
    _last: str = ""

    def show(self, text: str) -> None:
        """Rewrite the line; the same text is not written twice."""
        line = f"{self.label}: {text}" if text else self.label
        if line == self._last:
            return
        self._last = line
        if in_notebook():
            self._show_in_notebook(line)
        elif sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    def _show_in_notebook(self, line: str) -> None:
        from IPython.display import HTML, display

        content = HTML(f'<span style="opacity:.7">⏳ {escape(line)}</span>')
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)

    def close(self, text: str = "") -> None:
        """Write the last state, with the time it took."""
        if self._last:
            self.show(f"{text or 'done'} after {format_duration(monotonic() - self.started)}")
            if not in_notebook() and sys.stderr.isatty():
                sys.stderr.write("\n")


class Live:
    """A displayed result that is updated in place and removed at the end, when the cell's own result follows.

    Outside a notebook it shows nothing; the wait's progress line is enough.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = monotonic()

    def show(self, content: SupportsHtml) -> None:
        """Update the output, at most twice a second; a wait that ends at once shows nothing."""
        if monotonic() - self._shown < _REDRAWN_EVERY or not in_notebook():
            return
        from IPython.display import HTML, display

        self._shown, page = monotonic(), HTML(content._repr_html_())
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)

    def close(self) -> None:
        """Remove the output."""
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(""))


def in_notebook() -> bool:
    """Return whether this process is a notebook's kernel."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


def wait_until(
    what: str,
    probe: Callable[[], T],
    done: Callable[[T], bool] = bool,
    *,
    timeout: float,
    every: float = 0.1,
    describe: Callable[[T], str] = str,
    remedy: str | Callable[[T], str] = "",
) -> T:
    """Call `probe` until `done` holds for its result, and return that.

    `timeout` and `every` are seconds. After two seconds a line shows `what` and `describe(state)`. If the API
    server is away, the wait continues until the same deadline, because what is waited for does not depend on
    it. `remedy` may depend on the last state. Raises DeadlineExceeded with what was seen last, ApiUnreachable
    if the API server is away at the deadline; other errors of `probe` are raised unchanged.
    """
    progress, deadline, pause = Progress(f"waiting for {what}"), monotonic() + timeout, Event()
    seen: list[T] = []
    while True:
        try:
            state = probe()
            if done(state):
                break
            words, seen = describe(state), [state]
        except ApiUnreachable as away:
            if monotonic() > deadline:
                progress.close("gave up")
                raise
            words = away.message
        left = deadline - monotonic()
        if left <= 0:
            progress.close("gave up")
            advice = remedy if isinstance(remedy, str) else "".join(remedy(one) for one in seen)
            late = f"{what}: not within {format_duration(timeout)}"
            raise DeadlineExceeded(late, found=words, remedy=advice)
        if monotonic() - progress.started > SHOWN_AFTER:
            progress.show(f"{words} ({format_duration(left)} left)")
        pause.wait(min(every, left))
    progress.close(describe(state))
    return state
