"""Display of sampling: a plot that grows in JupyterLab, one line elsewhere."""

from __future__ import annotations

from time import monotonic
from typing import Any, Protocol

from pgnb.core.display import format_duration
from pgnb.core.wait import Progress, in_notebook
from pgnb.observe.limits import Limits
from pgnb.observe.recording import Recording

_REFRESH = 2.0
_SHARE = 5
"""A plot is drawn again after at least so many times the seconds that drawing took."""


class View(Protocol):
    """Shows a recording while it grows; `every` is how many seconds should pass between two updates."""

    every: float

    def show(self, recording: Recording) -> None:
        """Show the recording so far."""

    def close(self, seconds: float) -> None:
        """Replace it by one line."""


def view_for(seconds: float, limits: Limits, *, headless: bool) -> View:
    """Return the view for this kind of run: a growing plot only if a person may watch it."""
    return _Line(seconds) if headless or not in_notebook() else _Growing(limits)


class _Line:
    every = 1.0

    def __init__(self, seconds: float) -> None:
        self._progress = Progress("sampling")
        self._wanted = f" of {format_duration(seconds)}" if seconds else ""

    def show(self, recording: Recording) -> None:
        self._progress.show(f"{format_duration(recording.seconds)}{self._wanted}")

    def close(self, seconds: float) -> None:
        self._progress.close()


class _Growing:
    """One output that is drawn again and again."""

    def __init__(self, limits: Limits) -> None:
        self.every = _REFRESH
        self._limits = limits
        self._handle: Any = None

    def show(self, recording: Recording) -> None:
        from IPython.display import display

        from pgnb.observe.plots.monitor import monitor

        started = monotonic()
        plot = monitor(recording, self._limits)
        if self._handle is None:
            self._handle = display(plot, display_id=True)
        else:
            self._handle.update(plot)
        self.every = max(_REFRESH, _SHARE * (monotonic() - started))

    def close(self, seconds: float) -> None:
        from IPython.display import HTML

        if self._handle is not None:
            words = f"sampled for {format_duration(seconds)}"
            self._handle.update(HTML(f'<span style="opacity:.7">{words}</span>'))
