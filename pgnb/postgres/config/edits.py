"""Edits of configuration files and of ALTER SYSTEM, made together, validated, and put back on an error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pgnb.core.errors import ChangeFailed, PgnbError
from pgnb.postgres.config.files import read_file, remove_file, write_file
from pgnb.postgres.server import Server
from pgnb.postgres.session import compose, identifier


@dataclass(frozen=True)
class FileEdit:
    """A file's text before (None: no file) and after (None: removed), with owner `uid:gid` and mode."""

    path: str
    before: str | None
    after: str | None
    owner: str
    mode: str = "600"

    @property
    def target(self) -> str:
        """The path, as a reader's heading."""
        return self.path

    @property
    def verb(self) -> str:
        """What it does to the file, in a word."""
        if self.after is None:
            return "remove"
        return "create" if self.before is None else "change"

    @property
    def texts(self) -> tuple[str, str]:
        """Before and after as texts, for a diff."""
        return self.before or "", self.after or ""

    def apply(self, server: Server) -> None:
        """Write the text that is to stand."""
        self._put(server, self.after)

    def inverse(self) -> FileEdit:
        """The way back."""
        return FileEdit(self.path, self.after, self.before, self.owner, self.mode)

    def is_current(self, server: Server) -> bool:
        """Whether the file is still as this edit expects to find it."""
        return read_file(server, self.path) == self.before

    def _put(self, server: Server, text: str | None) -> None:
        if text is None:
            remove_file(server, self.path)
        else:
            write_file(server, self.path, text, owner=self.owner, mode=self.mode)


@dataclass(frozen=True)
class SystemEdit:
    """One ALTER SYSTEM: the value in postgresql.auto.conf before and after (None: not in it)."""

    setting: str
    before: str | None
    after: str | None

    @property
    def target(self) -> str:
        """The file that ALTER SYSTEM writes."""
        return "postgresql.auto.conf"

    @property
    def texts(self) -> tuple[str, str]:
        """Before and after as lines of that file."""
        before, after = (
            "" if value is None else f"{self.setting} = '{value}'\n" for value in (self.before, self.after)
        )
        return before, after

    def apply(self, server: Server) -> None:
        """Set or reset it; the server validates the value."""
        if self.after is None:
            server.execute(compose("ALTER SYSTEM RESET {}", identifier(self.setting)), what=self.statement)
        else:
            statement = compose("ALTER SYSTEM SET {} = {}", identifier(self.setting), self.after)
            server.execute(statement, what=self.statement)

    @property
    def statement(self) -> str:
        """The statement in words."""
        if self.after is None:
            return f"ALTER SYSTEM RESET {self.setting}"
        return f"ALTER SYSTEM SET {self.setting} = '{self.after}'"

    def inverse(self) -> SystemEdit:
        """The way back."""
        return SystemEdit(self.setting, self.after, self.before)

    def is_current(self, server: Server) -> bool:
        """Whether postgresql.auto.conf still says what this edit expects."""
        rows = server.query("file_settings")
        values = [
            row["setting"]
            for row in rows
            if row["name"] == self.setting.lower() and row["sourcefile"].endswith("postgresql.auto.conf")
        ]
        return (values[-1] if values else None) == self.before


Edit = FileEdit | SystemEdit


def apply_edits(server: Server, edits: Sequence[Edit], errors: Callable[[], list[str]]) -> str:
    """Make the edits, then ask the server whether it understands the files as they now stand.

    On any error what was already made is put back, in reverse order, before anything could read it.
    Raises ChangeFailed, which says so.
    """
    made: list[Edit] = []
    try:
        for edit in edits:
            made.append(edit)
            edit.apply(server)
        if found := errors():
            raise ChangeFailed("the server does not accept the files", found="; ".join(found))
    except BaseException as error:
        _put_back(server, made, error)
        raise
    return "written, and accepted by the server"


def _put_back(server: Server, made: list[Edit], error: BaseException) -> None:
    for edit in reversed(made):
        try:
            if not edit.is_current(server):
                edit.inverse().apply(server)
        except PgnbError as second:
            raise ChangeFailed(
                f"{server.name}: its configuration failed to change, and {edit.target} was not put back",
                found=f"{error}; then: {second.message}",
                remedy=f"Restore {edit.target} by hand before the next reload or restart.",
            ) from error
    if isinstance(error, PgnbError):
        raise ChangeFailed(
            f"{server.name}: the configuration was not changed",
            found=" ".join(f"{error.message} {error.found}".split()),
            remedy="What had been written was put back, nothing was reloaded. Plan again.",
        ) from error


def file_errors(server: Server, *, except_in: Collection[str] = ()) -> list[str]:
    """What the server finds wrong in its configuration files now, before any reload (pg_file_settings).

    Errors in the files named by `except_in` are left out: those are about to be rewritten.
    """
    return [
        f"{row['sourcefile']}:{row['sourceline']}: {row['name'] or 'line'}: {row['error']}"
        for row in server.query("file_settings")
        if row["wrong"] and row["sourcefile"] not in except_in
    ]
