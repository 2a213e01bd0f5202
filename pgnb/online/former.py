"""What settings were before a run changed them, kept in its journal, so that a later run can go back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.core.secrecy import MASK
from pgnb.postgres import Server
from pgnb.postgres.config.settings import Setting

_JOURNAL = "journal.jsonl"


def keep(journal: Journal, server: Server, settings: Iterable[Setting]) -> None:
    """Write down what each setting is now, before it is changed; the server is known by its selector."""
    values = {setting.name: setting.shown for setting in settings}
    journal.write("former", {"server": server.name, "selector": _key(server), "settings": values})


def former_wishes(record: str, servers: Sequence[Server]) -> list[dict[str, str]]:
    """For each server what a run changed of it, as it was before that run.

    `record` is the record's folder, or its journal. Raises ParameterError when it changed no setting, or
    one of a server that is not among these.
    """
    lines = _former_lines(record)
    known = {_key(server) for server in servers}
    if strange := sorted({line["selector"] for line in lines} - known):
        raise ParameterError(
            f"{record} changed servers that are not among these",
            found="; ".join(strange),
            remedy="Give the selectors of the run that is to be undone.",
        )
    found = [_oldest(line["settings"] for line in lines if line["selector"] == _key(s)) for s in servers]
    if hidden := sorted({name for settings in found for name, value in settings.items() if MASK in value}):
        raise ParameterError(
            f"{record} cannot put {', '.join(hidden)} back: the value held a secret, which no record keeps",
            remedy="Set it by hand, or give it in settings; then undo the others by theirs.",
        )
    return found


def _oldest(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The first word about a setting counts: later ones were written by the same run."""
    values: dict[str, str] = {}
    for settings in found:
        values = {**settings, **values}
    return values


def _former_lines(record: str) -> list[dict[str, Any]]:
    path = Path(record).expanduser()
    path = path / _JOURNAL if path.is_dir() else path
    try:
        texts = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"{record} is not a record that can be read",
            found=f"{type(error).__name__}: {path}",
            remedy="Name the folder of a record of this notebook: pgnb records lists them.",
        ) from error
    found = [line for line in _parsed(texts) if line.get("kind") == "former"]
    if not found:
        raise ParameterError(f"{record} changed no setting that could be put back")
    return found


def _parsed(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The lines of a journal up to one that a killed run left torn."""
    for text in texts:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(line, dict):
            return
        yield line


def _key(server: Server) -> str:
    """A pod's name changes with every restart; what finds it does not."""
    return server.selector if server.present else server.name
