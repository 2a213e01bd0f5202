"""The ConfigMap of a server's desired configuration (section 2.1), compared with the server.

Its keys are whole files: `postgresql.conf` and `pg_hba.conf`. Existing lines are kept; only those that differ
are changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgnb.core.checks import Check, Checks
from pgnb.core.errors import NotFound, ParameterError
from pgnb.core.plan import Change
from pgnb.core.secrecy import masked_setting
from pgnb.postgres.config.conftext import settings_of, with_settings
from pgnb.postgres.config.hba import read_hba, rule_of
from pgnb.postgres.config.hbarule import HbaRule
from pgnb.postgres.config.hbatext import rules_of, with_rules
from pgnb.postgres.config.mounted import manifest_of
from pgnb.postgres.config.settings import Setting
from pgnb.postgres.config.values import Wanted, normalise, value_of
from pgnb.postgres.server import Server

SETTINGS_KEY, HBA_KEY = "postgresql.conf", "pg_hba.conf"


@dataclass(frozen=True)
class Configuration:
    """The content of a ConfigMap: settings by name as they are written, and the rules of pg_hba.conf."""

    settings: Mapping[str, str]
    rules: tuple[HbaRule, ...]


def read_config_map(server: Server, name: str) -> Configuration:
    """Return the ConfigMap's content, read from the object, because a mount lags behind (fact 60).

    Raises NotFound, and ParameterError for a line that the server would not understand.
    """
    data = _data(server, name)
    if data is None:
        raise NotFound(
            f"there is no ConfigMap {name} in the namespace {server.cluster.namespace}",
            remedy="Create it (plan_config_map), or name the ConfigMap that holds the server's"
            " configuration.",
        )
    rules = tuple(placed.rule for placed in rules_of(data.get(HBA_KEY, "")) if placed.rule)
    return Configuration(settings_of(data.get(SETTINGS_KEY, "")), rules)


def plan_config_map(
    server: Server,
    name: str,
    wanted: Mapping[str, Wanted],
    rules: Sequence[HbaRule] = (),
    *,
    write_restart: bool = True,
) -> Change:
    """Return the plan that writes these settings and rules to the ConfigMap, creating it if necessary.

    Values are checked against the server before they are written. Without `write_restart`, a setting that
    needs a restart is left out: if the ConfigMap is mounted, the next start of the pod, which may be an
    eviction, would apply it. Raises ParameterError for what the server would refuse.
    """
    title = f"ConfigMap {name}"
    if not server.present:
        return Change(title, server.journal, note="the server is not there yet")
    data = _data(server, name) or {}
    settings = tuple(server.settings(wanted))
    late = [s for s in settings if not write_restart and not s.met and s.needs == "restart"]
    written = [setting for setting in settings if setting not in late]
    texts = {SETTINGS_KEY: _with_wishes(data.get(SETTINGS_KEY, ""), written)}
    if rules or HBA_KEY in data:
        texts[HBA_KEY] = with_rules(data.get(HBA_KEY, ""), [rule.checked() for rule in rules])
    if all(data.get(key) == text for key, text in texts.items()):
        return Change(
            title, server.journal, note=f"configmap/{name} already contains this. {_left_out(late)}"
        )
    change = server.cluster.plan_apply(manifest_of(server.cluster, name, texts), title)
    change.note = f"{change.note} {_left_out(late)}".strip()
    return change


def _left_out(late: Sequence[Setting]) -> str:
    """Return what is not written, and why."""
    names = ", ".join(setting.name for setting in late)
    return f"Left out, because it needs a restart that is not allowed: {names}." if names else ""


def drift(server: Server, name: str) -> Checks:
    """Return a check for each line of the ConfigMap that compares it with the server.

    All are advice, because either side may be the one to change.
    """
    asked = read_config_map(server, name)
    known = {row["name"].lower() for row in server.query("setting_names")}
    standing_settings = server.settings([key for key in asked.settings if key in known])
    items = [_setting_check(item, asked.settings[item.name.lower()]) for item in standing_settings]
    items += [
        Check(key, False, "unknown to the server", value, "Correct its name in the ConfigMap.", advice=True)
        for key, value in asked.settings.items()
        if key not in known
    ]
    standing = _standing_rules(server)
    items += [_rule_check(rule, any(one.covers(rule) for one in standing)) for rule in asked.rules]
    return Checks.of(f"configmap/{name} and {server.name}", items, server.journal)


def _setting_check(setting: Setting, asked: str) -> Check:
    remedy = "Reload it into the server, or write the server's value into the ConfigMap."
    if setting.needs == "restart":
        remedy = "It needs a restart to reach the server."
    try:
        met = normalise(setting.row, asked).accepts(setting.row, setting.value)
    except ParameterError as error:
        met, remedy = False, f"{error.message}. {error.remedy}"
    return Check(setting.name, met, setting.display, masked_setting(setting.name, asked), remedy, advice=True)


def _rule_check(rule: HbaRule, stands: bool) -> Check:
    found = "in pg_hba.conf" if stands else "not there"
    return Check(rule.line, stands, found, "in pg_hba.conf", "Add it (plan_hba).", advice=True)


def _standing_rules(server: Server) -> list[HbaRule]:
    return [rule_of(row) for row in read_hba(server).rows if not row["error"]]


def _with_wishes(text: str, settings: Sequence[Setting]) -> str:
    """Return the text with the desired settings; a line with an equal value, in any unit, is kept."""
    standing = settings_of(text)
    desired = {}
    for setting in settings:
        if setting.desired is None:
            raise ParameterError(f"no value for {setting.name}")
        now = standing.get(setting.name.lower())
        if now is None or not setting.desired.accepts(setting.row, value_of(setting.row, now)):
            desired[setting.name] = setting.shown if setting.met else setting.desired.text
    return with_settings(text, desired)


def _data(server: Server, name: str) -> dict[str, str] | None:
    found = server.cluster.get("configmaps", name)
    return None if found is None else dict(found.get("data") or {})
