"""Settings: current and desired value, where each is set, and what a change needs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table
from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.core.secrecy import masked_setting
from pgnb.postgres.config.values import SettingRequirement, Wanted, normalise
from pgnb.postgres.rows import Params, Row, Rows

Query = Callable[[str, Params], Rows]


@dataclass(frozen=True)
class Setting:
    """One row of pg_settings, with the desired value if any."""

    row: Row = field(repr=False)
    desired: SettingRequirement | None = None

    @property
    def name(self) -> str:
        """The name in pg_settings."""
        return str(self.row["name"])

    @property
    def value(self) -> str:
        """The value in effect, in the setting's own unit, as in pg_settings."""
        return str(self.row["setting"])

    @property
    def shown(self) -> str:
        """The value as SHOW prints it, in a fitting unit."""
        return str(self.row["shown"])

    @property
    def display(self) -> str:
        """The value for a reader: secrets masked, as a whole if the name is that of a secret."""
        return masked_setting(self.name, self.shown)

    @property
    def desired_display(self) -> str:
        """The desired value for a reader, masked likewise; "" if there is none."""
        return "" if self.desired is None else masked_setting(self.name, str(self.desired))

    @property
    def context(self) -> str:
        """pg_settings.context: `postmaster` needs a restart, `internal` cannot be changed."""
        return str(self.row["context"])

    @property
    def needs(self) -> str:
        """What a change needs: restart, reload, or that it cannot be changed by a file."""
        return {"postmaster": "restart", "internal": "fixed at initdb or build"}.get(self.context, "reload")

    @property
    def source(self) -> str:
        """Where the value comes from, with file and line if there is one."""
        if self.row["sourcefile"]:
            return f"{self.row['sourcefile']}:{self.row['sourceline']}"
        return str(self.row["source"])

    @property
    def pending_restart(self) -> bool:
        """Whether a file already has another value, which needs a restart."""
        return bool(self.row["pending_restart"])

    @property
    def met(self) -> bool:
        """Whether the value in effect is the desired one; True if there is none."""
        return self.desired is None or self.desired.accepts(self.row, self.value)


@dataclass(frozen=True, repr=False)
class SettingsTable(Displayable):
    """Settings with their desired values: a table for a reader, and checks for `verify`."""

    items: tuple[Setting, ...]
    title: str = "Settings"
    journal: Journal = field(default_factory=Journal, repr=False, compare=False)

    def __iter__(self) -> Iterator[Setting]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, name: str) -> Setting:
        """Return the setting of that name, in any case. Raises KeyError."""
        for item in self.items:
            if item.name.lower() == name.lower():
                return item
        raise KeyError(name)

    @property
    def unmet(self) -> tuple[Setting, ...]:
        """The settings whose value in effect is not the desired one."""
        return tuple(item for item in self.items if not item.met)

    @property
    def waiting(self) -> tuple[Setting, ...]:
        """The settings for which a file has another value, which needs a restart."""
        return tuple(item for item in self.items if item.pending_restart)

    @property
    def checks(self) -> Checks:
        """One check for each desired setting; those that need a restart are advice."""
        return self.checks_for(restart_allowed=False)

    def checks_for(self, *, restart_allowed: bool) -> Checks:
        """Return the checks; with `restart_allowed` settings that need a restart must be in effect, too."""
        return self._checks(lambda item: not restart_allowed and item.needs == "restart")

    def _checks(self, advice: Callable[[Setting], bool]) -> Checks:
        items = [
            Check(item.name, item.met, item.display, item.desired_display, _remedy(item), advice(item))
            for item in self.items
            if item.desired is not None
        ]
        return Checks.of(self.title, items, self.journal)

    @property
    def table(self) -> Table:
        """Name, current and desired value, what a change needs, where it is set, and pending restarts."""
        columns = ("setting", "now", "desired", "needs", "set in", "pending restart")
        rows = [
            (
                s.name,
                s.display,
                _desired_of(s),
                s.needs,
                s.source,
                Cell("yes", "warn") if s.pending_restart else Cell("no", "dim"),
            )
            for s in self.items
        ]
        return Table.of(columns, rows, title=self.title)


def _desired_of(setting: Setting) -> Cell:
    if setting.desired is None:
        return Cell("", "dim")
    return Cell(setting.desired_display, "good" if setting.met else "bad")


def _remedy(setting: Setting) -> str:
    if setting.pending_restart:
        return "It is in the file and needs a restart: allow one."
    if setting.needs == "restart":
        return "It needs a restart: allow one."
    return f"Set it (needs a {setting.needs}); it is set in {setting.source}."


def read_settings(query: Query, wanted: Mapping[str, Wanted] | Iterable[str]) -> tuple[Setting, ...]:
    """Return settings in the order asked for, with desired values checked and normalised.

    Raises ParameterError for a name that the server does not know, with the nearest ones, and for a value
    that the setting does not accept.
    """
    desired: Mapping[str, Wanted | None]
    desired = wanted if isinstance(wanted, Mapping) else dict.fromkeys(wanted)
    by_name = {name.lower(): one for name, one in desired.items()}
    rows = {row["name"].lower(): row for row in query("settings", {"names": list(by_name)})}
    if unknown := [name for name in desired if name.lower() not in rows]:
        raise _unknown(query, unknown)
    return tuple(
        Setting(rows[name], None if one is None else _requirement(rows[name], one))
        for name, one in by_name.items()
    )


def _requirement(row: Row, wanted: Wanted) -> SettingRequirement:
    """Return the desired value, checked unless the setting cannot be changed.

    Internal parameters have no valid range; the text is compared as given.
    """
    if row["context"] == "internal":
        return SettingRequirement(str(wanted), str(wanted))
    return normalise(row, wanted)


def _unknown(query: Query, names: list[str]) -> ParameterError:
    known = [row["name"] for row in query("setting_names", None)]
    near = {name: difflib.get_close_matches(name.lower(), known, 3, 0.6) for name in names}
    hints = [f"{name}: did you mean {', '.join(found)}?" for name, found in near.items() if found]
    return ParameterError(
        f"the server has no setting named {', '.join(names)}",
        remedy=" ".join(hints) or "A setting of an extension is known only after its library is loaded.",
    )
