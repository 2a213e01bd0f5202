"""Edit configuration files and ALTER SYSTEM together, validate, and restore on an error."""

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
        """The path, as a heading."""
        return self.path

    @property
    def verb(self) -> str:
        """What it does to the file, in one word."""
        if self.after is None:
            return "remove"
        return "create" if self.before is None else "change"

    @property
    def texts(self) -> tuple[str, str]:
        """Before and after as texts, for a diff."""
        return self.before or "", self.after or ""

    def apply(self, server: Server) -> None:
        """Write the new text."""
        self._put(server, self.after)

    def inverse(self) -> FileEdit:
        """Return the edit that restores the text before."""
        return FileEdit(self.path, self.after, self.before, self.owner, self.mode)

    def is_current(self, server: Server) -> bool:
        """Return whether the file still has the text before."""
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
        """The lines of that file before and after."""
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
        """The statement, for a reader."""
        if self.after is None:
            return f"ALTER SYSTEM RESET {self.setting}"
        return f"ALTER SYSTEM SET {self.setting} = '{self.after}'"

    def inverse(self) -> SystemEdit:
        """Return the edit that restores the value before."""
        return SystemEdit(self.setting, self.after, self.before)

    def is_current(self, server: Server) -> bool:
        """Return whether postgresql.auto.conf still has the value before."""
        rows = server.query("file_settings")
        values = [
            row["setting"]
            for row in rows
            if row["name"] == self.setting.lower() and row["sourcefile"].endswith("postgresql.auto.conf")
        ]
        return (values[-1] if values else None) == self.before


Edit = FileEdit | SystemEdit


def apply_edits(server: Server, edits: Sequence[Edit], errors: Callable[[], list[str]]) -> str:
    """Apply the edits, then ask the server whether it accepts the files.

    On an error the edits already made are reversed, in reverse order, before anything could read them. Raises
    ChangeFailed, which says so.
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
                f"{server.name}: its configuration failed to change, and {edit.target} was not restored",
                found=f"{error}; then: {second.message}",
                remedy=f"Restore {edit.target} by hand before the next reload or restart.",
            ) from error
    if isinstance(error, PgnbError):
        raise ChangeFailed(
            f"{server.name}: the configuration was not changed",
            found=" ".join(f"{error.message} {error.found}".split()),
            remedy="What had been written was restored, nothing was reloaded. Plan again.",
        ) from error


def file_errors(server: Server, *, except_in: Collection[str] = ()) -> list[str]:
    """Return the errors of the configuration files now, before a reload (pg_file_settings).

    Errors in the files named by `except_in` are left out, because those will be rewritten.
    """
    return [
        f"{row['sourcefile']}:{row['sourceline']}: {row['name'] or 'line'}: {row['error']}"
        for row in server.query("file_settings")
        if row["wrong"] and row["sourcefile"] not in except_in
    ]
