"""Settings as they are: value, wish, where each stands, and what a change would take."""

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
    """One row of pg_settings, with the value that is wished for, if any."""

    row: Row = field(repr=False)
    desired: SettingRequirement | None = None

    @property
    def name(self) -> str:
        """As pg_settings spells it."""
        return str(self.row["name"])

    @property
    def value(self) -> str:
        """The value in force, in the setting's own unit, as pg_settings has it."""
        return str(self.row["setting"])

    @property
    def shown(self) -> str:
        """The value as SHOW prints it, with a unit that suits it."""
        return str(self.row["shown"])

    @property
    def display(self) -> str:
        """The same for a reader: without a secret, and blanked whole where the name says it is one."""
        return masked_setting(self.name, self.shown)

    @property
    def desired_display(self) -> str:
        """The wish for a reader, in the same way; empty without one."""
        return "" if self.desired is None else masked_setting(self.name, str(self.desired))

    @property
    def context(self) -> str:
        """pg_settings.context: `postmaster` asks for a restart, `internal` cannot be changed."""
        return str(self.row["context"])

    @property
    def needs(self) -> str:
        """What a change of it takes: restart, reload, or nothing that a file could do."""
        return {"postmaster": "restart", "internal": "fixed at initdb or build"}.get(self.context, "reload")

    @property
    def source(self) -> str:
        """Where the value comes from, with file and line where there is one."""
        if self.row["sourcefile"]:
            return f"{self.row['sourcefile']}:{self.row['sourceline']}"
        return str(self.row["source"])

    @property
    def pending_restart(self) -> bool:
        """A file already has another value, which waits for a restart."""
        return bool(self.row["pending_restart"])

    @property
    def met(self) -> bool:
        """Whether the value in force is the wished one; True without a wish."""
        return self.desired is None or self.desired.accepts(self.row, self.value)


@dataclass(frozen=True, repr=False)
class SettingsTable(Displayable):
    """Settings with their wishes: a table for a reader, and checks for `verify`."""

    items: tuple[Setting, ...]
    title: str = "Settings"
    journal: Journal = field(default_factory=Journal, repr=False, compare=False)

    def __iter__(self) -> Iterator[Setting]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, name: str) -> Setting:
        """The setting of that name, in any case. Raises KeyError."""
        for item in self.items:
            if item.name.lower() == name.lower():
                return item
        raise KeyError(name)

    @property
    def unmet(self) -> tuple[Setting, ...]:
        """Those whose value in force is not the wished one."""
        return tuple(item for item in self.items if not item.met)

    @property
    def waiting(self) -> tuple[Setting, ...]:
        """Those that a file already has otherwise, and that wait for a restart."""
        return tuple(item for item in self.items if item.pending_restart)

    @property
    def checks(self) -> Checks:
        """One check a wished setting: its value in force is the wished one; a restart's are advice."""
        return self.checks_for(restart_allowed=False)

    def checks_for(self, *, restart_allowed: bool) -> Checks:
        """The same; with `restart_allowed` what takes a restart must be in force, too."""
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
        """Name, value, wish, what a change takes, where it stands, and what waits for a restart."""
        columns = ("setting", "now", "wished", "takes", "stands in", "pending restart")
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
        return "It stands in the file and waits for a restart: allow one."
    if setting.needs == "restart":
        return "It takes a restart: allow one."
    return f"Set it (it takes a {setting.needs}); it stands in {setting.source}."


def read_settings(query: Query, wanted: Mapping[str, Wanted] | Iterable[str]) -> tuple[Setting, ...]:
    """Settings in the order asked for, with the wishes checked and normalised.

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
    """What cannot be changed has no range to check a wish against; it is held against the value as it is."""
    if row["context"] == "internal":
        return SettingRequirement(str(wanted), str(wanted))
    return normalise(row, wanted)


def _unknown(query: Query, names: list[str]) -> ParameterError:
    known = [row["name"] for row in query("setting_names", None)]
    near = {name: difflib.get_close_matches(name.lower(), known, 3, 0.6) for name in names}
    hints = [f"{name}: did you mean {', '.join(found)}?" for name, found in near.items() if found]
    return ParameterError(
        f"the server knows no setting named {', '.join(names)}",
        remedy=" ".join(hints) or "A setting of an extension is known once its library is loaded.",
    )
