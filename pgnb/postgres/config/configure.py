"""Plan settings: the file that each is written to, what needs a reload, and what needs a restart.

Source: the procedure's sections 2.1 and 2.2. A setting that is already in postgresql.auto.conf is changed
there, because that file wins; every other one goes into a managed file that the main file includes at its
end; if the main file cannot be written (it is mounted from a ConfigMap), or does not outlive the pod, ALTER
SYSTEM is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ChangeFailed, ParameterError, QueryFailed
from pgnb.core.plan import Change, Step
from pgnb.postgres.config.conftext import MANAGED_FILE, with_include, with_managed_settings
from pgnb.postgres.config.edits import Edit, FileEdit, SystemEdit, apply_edits, file_errors
from pgnb.postgres.config.files import Place, look_at, read_file
from pgnb.postgres.config.places import GENERATED, cap_checks
from pgnb.postgres.config.reload import reload_configuration
from pgnb.postgres.config.settings import Setting
from pgnb.postgres.config.startup_checks import startup_checks
from pgnb.postgres.config.values import SettingRequirement, Wanted, value_of
from pgnb.postgres.rows import Row
from pgnb.postgres.server import Server

_AUTO = "postgresql.auto.conf"
_RIGHTS = (
    "Connect as a superuser, or grant the login pg_read_all_settings, pg_read_server_files and EXECUTE on"
    " pg_show_all_file_settings(), pg_hba_file_rules() and pg_reload_conf()."
)
_FROM_FILES = ("default", "configuration file")
_ABOVE_FILES = {
    "command line": "the arguments of the container in the pod's template",
    "environment variable": "the environment of the container in the pod's template",
}


@dataclass(repr=False)
class SettingsChange(Change):
    """A change of settings, which also knows what needs a restart."""

    waiting: tuple[Setting, ...] = field(default=(), repr=False)
    places: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The file that each setting will be written to, by the setting's name."""


def plan_settings(
    server: Server, wanted: Mapping[str, Wanted], *, write_restart: bool = False
) -> SettingsChange:
    """Return the plan that gives settings their desired values.

    What needs a reload takes effect at once. What needs a restart is written only with `write_restart`, and
    is listed in `waiting`. Raises ParameterError for unknown names and values, and for a setting that no file
    can change.
    """
    title = f"settings of {server.name}"
    if not server.present:
        return SettingsChange(title, server.journal, note="the server is not there yet")
    settings = tuple(server.settings(wanted))
    entries = _entries(server)
    restart = tuple(s for s in settings if not s.met and s.needs == "restart")
    to_do = [s for s in settings if _differs(s, entries) and (write_restart or s.needs != "restart")]
    _refuse_unreachable(server, [s for s in settings if not s.met])
    edits = _edits(server, [*to_do, *_to_move(server, settings, to_do, entries)], entries)
    unread = [s for s in settings if not s.met and s.needs == "reload" and s.row["source"] in _FROM_FILES]
    change = edits_change(server, title, edits, reload=bool(unread), desired=to_do)
    change.places = _places(to_do, edits)
    return _with_waiting(change, restart, entries, write_restart)


def edits_change(
    server: Server,
    title: str,
    edits: Sequence[Edit],
    *,
    reload: bool = False,
    desired: Sequence[Setting] = (),
) -> SettingsChange:
    """Return a change made of edits, validated together, then a reload.

    Its undo makes the inverse edits in the same way.
    """
    steps = []
    if edits:
        steps.append(
            Step(
                server.name,
                f"{_says(edits)}; validate, and restore on an error",
                lambda: apply_edits(server, edits, lambda: file_errors(server)),
                journalled=True,
            )
        )
    if edits or reload:
        steps.append(Step(server.name, "reload the configuration", lambda: _reload(server, edits, desired)))
    back = [edit.inverse() for edit in reversed(edits)]
    return SettingsChange(
        title,
        server.journal,
        before=_text(edits, 0),
        after=_text(edits, 1),
        steps=steps,
        undo_text="the previous texts are restored in the same way" if edits else "",
        precheck=lambda: _precheck(server, edits, desired),
        undo=(lambda: edits_change(server, f"undo: {title}", back)) if edits else None,
    )


def _reload(server: Server, edits: Sequence[Edit], desired: Sequence[Setting]) -> str:
    """Reload, and check that settings that need a restart are pending.

    The server shows a pending restart for accepted values only.
    """
    result = reload_configuration(server)
    names = [one.name for one in desired if one.needs == "restart"]
    refused = [s for s in server.settings(names) if not s.pending_restart] if names else []
    wrong = [s.name for s in refused if not _desired_of(desired, s.name).accepts(s.row, s.value)]
    if not wrong:
        return result
    for edit in reversed(edits):
        edit.inverse().apply(server)
    reload_configuration(server)
    raise ChangeFailed(
        f"{server.name} does not accept the value of {', '.join(wrong)}",
        found="after the reload no restart is pending; the next start would fail",
        remedy="The previous files were restored and reloaded. See the server's log for the reason.",
    )


def _desired_of(desired: Sequence[Setting], name: str) -> SettingRequirement:
    return next(w.desired for w in desired if w.name == name and w.desired is not None)


def _with_waiting(
    change: SettingsChange, restart: tuple[Setting, ...], entries: Mapping[str, Row], write_restart: bool
) -> SettingsChange:
    change.waiting = restart
    change.note = " ".join(_waits(s, entries, write_restart) for s in restart)
    return change


def _waits(setting: Setting, entries: Mapping[str, Row], written: bool) -> str:
    words = "will be in the file" if written else "is not written"
    if not _differs(setting, entries):
        words = "is in the file"
    return f"{setting.name} = {setting.desired}: {words}, and needs a restart."


def _entries(server: Server) -> dict[str, Row]:
    """Return the effective line of each setting that is in a file."""
    try:
        return {row["name"]: row for row in server.query("file_settings") if row["name"]}
    except QueryFailed as failure:
        failure.remedy = failure.remedy or _RIGHTS
        raise


def _differs(setting: Setting, entries: Mapping[str, Row]) -> bool:
    """Return whether a file must be written to have the desired value now and after the next restart."""
    if setting.desired is None:
        return False
    entry = entries.get(setting.name.lower())
    if entry is None:
        return not setting.met
    return not setting.desired.accepts(setting.row, value_of(setting.row, entry["setting"]))


def _refuse_unreachable(server: Server, unmet: Sequence[Setting]) -> None:
    for setting in unmet:
        if setting.needs.startswith("fixed"):
            raise ParameterError(f"{setting.name} is {setting.needs}", found=setting.display)
        if (where := _ABOVE_FILES.get(setting.row["source"])) is not None:
            raise ParameterError(
                f"{setting.name} of {server.name} is set in a place that no configuration file can override",
                found=f"{setting.display}, from the {setting.row['source']}",
                remedy=f"Change it in {where} (spec.template of the Deployment or StatefulSet).",
            )


def _edits(server: Server, settings: Sequence[Setting], entries: Mapping[str, Row]) -> list[Edit]:
    if not settings:
        return []
    config_file = _config_file(server)
    place = look_at(server, config_file)
    usable = place.writable and place.persistent
    in_auto = [s for s in settings if not usable or _stands_in_auto(s, entries)]
    in_file = [s for s in settings if s not in in_auto]
    if in_auto and not server.facts.allow_alter_system:
        raise _no_home(server, in_auto, config_file, place)
    file_edits = _file_edits(server, config_file, place, in_file) if in_file else []
    return [*file_edits, *(_system_edit(s, entries) for s in in_auto)]


def _config_file(server: Server) -> str:
    if path := server.facts.config_file:
        return path
    raise ParameterError(
        f"the login {server.facts.login!r} may not see where the configuration files of {server.name} are",
        remedy=_RIGHTS,
    )


def _stands_in_auto(setting: Setting, entries: Mapping[str, Row]) -> bool:
    entry = entries.get(setting.name.lower())
    return entry is not None and PurePosixPath(entry["sourcefile"]).name == _AUTO


def _system_edit(setting: Setting, entries: Mapping[str, Row]) -> SystemEdit:
    entry = entries[setting.name.lower()] if _stands_in_auto(setting, entries) else None
    assert setting.desired is not None
    return SystemEdit(setting.name, entry["setting"] if entry else None, setting.desired.text)


def _places(settings: Sequence[Setting], edits: Sequence[Edit]) -> dict[str, str]:
    by_system = {edit.setting: edit.target for edit in edits if isinstance(edit, SystemEdit)}
    return {s.name: by_system.get(s.name, MANAGED_FILE) for s in settings}


def _file_edits(server: Server, config_file: str, place: Place, settings: Sequence[Setting]) -> list[Edit]:
    """Return the edits, the managed file first.

    The order is safe: a managed file that is not included yet has no effect, and an include needs its file.
    """
    desired = {s.name: s.desired.text for s in settings if s.desired}
    main = read_file(server, config_file) or ""
    path = str(PurePosixPath(config_file).with_name(MANAGED_FILE))
    own = read_file(server, path)
    edits = [
        FileEdit(path, own, with_managed_settings(own or "", desired), place.owner),
        FileEdit(
            config_file,
            main,
            with_include(main, frozenset(n.lower() for n in desired)),
            place.owner,
            place.mode,
        ),
    ]
    return [edit for edit in edits if edit.before != edit.after]


def _to_move(
    server: Server, settings: Sequence[Setting], to_do: Sequence[Setting], entries: Mapping[str, Row]
) -> list[Setting]:
    """Return effective settings whose line is in a managed file that the next pod will not have."""
    lines = {s.name: entries.get(s.name.lower()) for s in settings if s.desired and s not in to_do}
    managed_lines = [n for n, e in lines.items() if e and PurePosixPath(e["sourcefile"]).name == MANAGED_FILE]
    if not managed_lines or look_at(server, _config_file(server)).persistent:
        return []
    return [s for s in settings if s.name in managed_lines]


def _no_home(server: Server, settings: Sequence[Setting], config_file: str, place: Place) -> ParameterError:
    return ParameterError(
        f"no file can take {', '.join(s.name for s in settings)} on {server.name}",
        found=f"{config_file} {place.summary}, and allow_alter_system is off",
        remedy=GENERATED,
    )


def _precheck(server: Server, edits: Sequence[Edit], desired: Sequence[Setting]) -> Checks:
    """Check right before acting that the files are unchanged and valid, and that the server would start."""
    moved = [edit.target for edit in edits if not edit.is_current(server)]
    rewritten = {edit.path for edit in edits if isinstance(edit, FileEdit)}
    wrong = file_errors(server, except_in=rewritten)
    items = [
        Check(
            "files are as planned",
            not moved,
            ", ".join(dict.fromkeys(moved)) or "unchanged",
            "unchanged",
            "Somebody changed them meanwhile: plan again.",
        ),
        Check(
            "no error in the other files",
            not wrong,
            "; ".join(wrong) or "none",
            "none",
            "One invalid line makes the whole reload fail: correct it first.",
        ),
    ]
    items += [*startup_checks(server, desired), *cap_checks(server, desired)]
    return Checks.of(f"safe to configure {server.name}", items, server.journal)


def _says(edits: Sequence[Edit]) -> str:
    """Return what is done to which file, each folder named once."""
    words = [edit.statement for edit in edits if isinstance(edit, SystemEdit)]
    paths = [(PurePosixPath(edit.path), edit) for edit in edits if isinstance(edit, FileEdit)]
    for folder in dict.fromkeys(path.parent for path, _ in paths):
        done = [f"{edit.verb} {path.name}" for path, edit in paths if path.parent == folder]
        words.append(f"{', '.join(done)} in {folder}")
    return "; ".join(words)


def _text(edits: Sequence[Edit], side: int) -> str:
    """Return all edited files as one text, before (0) or after (1)."""
    parts: dict[str, str] = {}
    for edit in edits:
        parts[edit.target] = parts.get(edit.target, "") + edit.texts[side]
    return "".join(f"# {target}\n{text}" for target, text in parts.items())
