"""Values of settings before a run changed them, kept in its journal so that a later run can restore them."""

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
_KINDS = ("previous", "former")
"""Journals of older versions say `former`."""


def keep_previous(journal: Journal, server: Server, settings: Iterable[Setting]) -> None:
    """Write the settings' present values to the journal, before they are changed.

    The server is identified by its selector, since a pod's name changes with each restart.
    """
    values = {setting.name: setting.shown for setting in settings}
    journal.write("previous", {"server": server.name, "selector": _key(server), "settings": values})


def previous_values(record: str, servers: Sequence[Server]) -> list[dict[str, str]]:
    """Return for each server the settings that a run changed, with their values before that run.

    `record` is the record's folder, or its journal. Raises ParameterError if the run changed no setting, or a
    setting of a server that is not among these.
    """
    lines = _lines(record)
    known = {_key(server) for server in servers}
    if strange := sorted({line["selector"] for line in lines} - known):
        raise ParameterError(
            f"{record} changed servers that are not among these",
            found="; ".join(strange),
            remedy="Use the selectors of the run that is to be undone.",
        )
    found = [_oldest(line["settings"] for line in lines if line["selector"] == _key(s)) for s in servers]
    if hidden := sorted({name for settings in found for name, value in settings.items() if MASK in value}):
        raise ParameterError(
            f"{record} cannot restore {', '.join(hidden)}: the value held a secret, and no record keeps"
            " secrets",
            remedy="Restore each setting by the parameter settings, this one with its old value.",
        )
    return found


def _oldest(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the first value of each setting; later ones were written by the same run."""
    values: dict[str, str] = {}
    for settings in found:
        values = {**settings, **values}
    return values


def _lines(record: str) -> list[dict[str, Any]]:
    path = Path(record).expanduser()
    path = path / _JOURNAL if path.is_dir() else path
    try:
        texts = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"{record} is not a readable record",
            found=f"{type(error).__name__}: {path}",
            remedy="Give the folder of a record of this notebook; pgnb records lists them.",
        ) from error
    found = [line for line in _parsed(texts) if line.get("kind") in _KINDS]
    if not found:
        raise ParameterError(f"{record} changed no setting that could be restored")
    return found


def _parsed(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the lines of a journal, up to one that an interrupted run left incomplete."""
    for text in texts:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(line, dict):
            return
        yield line


def _key(server: Server) -> str:
    """Return what identifies a server in every run."""
    return server.selector if server.present else server.name
