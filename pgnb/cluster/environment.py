"""The environment that a new server copies from an existing server's container: references, no secrets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pgnb.cluster.operators import KNOWN
from pgnb.core.errors import ParameterError
from pgnb.core.secrecy import masked_setting

Entry = Mapping[str, Any]
"""One variable as a container has it: a name with `value` or `valueFrom`."""

NOT_CARRIED: Mapping[str, tuple[str, ...]] = {
    "the template has its own": ("PGDATA",),
    "libpq's defaults: a standby connects by its primary_conninfo": (
        "PGHOST",
        "PGHOSTADDR",
        "PGUSER",
        "PGDATABASE",
        "PGPASSWORD",
        "PGPASSFILE",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGSYSCONFDIR",
        "PGOPTIONS",
        "PGAPPNAME",
        "PGTARGETSESSIONATTRS",
        "PGSSL*",
    ),
    "an image initializes an empty volume with them: a new server that looks Ready and follows no primary": (
        "POSTGRES_PASSWORD",
        "POSTGRES_PASSWORD_FILE",
        "POSTGRES_USER",
        "POSTGRES_USER_FILE",
        "POSTGRES_DB",
        "POSTGRES_DB_FILE",
        "POSTGRES_HOST_AUTH_METHOD",
        "POSTGRES_INITDB_ARGS",
        "POSTGRES_INITDB_ARGS_FILE",
        "POSTGRES_INITDB_WALDIR",
        "POSTGRESQL_INITDB_*",
        "POSTGRESQL_INITSCRIPTS_*",
    ),
    "pgnb sets the role in replication": (
        "POSTGRES_REPLICATION_MODE",
        "POSTGRESQL_REPLICATION_MODE",
        "POSTGRES_MASTER_HOST",
        "POSTGRESQL_MASTER_HOST",
        "POSTGRES_REPLICATION_*",
        "POSTGRESQL_REPLICATION_*",
        "POSTGRES_MASTER_*",
        "POSTGRESQL_MASTER_*",
        "POSTGRESQL_CLUSTER_APP_NAME",
        "POSTGRESQL_NUM_SYNCHRONOUS_REPLICAS",
        "POSTGRESQL_SYNCHRONOUS_*",
    ),
    "another manager's: the server would join what it manages": tuple(
        f"{prefix}*" for one in KNOWN for prefix in one.variables
    ),
}
"""Variables that are not copied, by reason; a * stands for any suffix."""
_NAMES = [name for names in NOT_CARRIED.values() for name in names]
_STAYS = re.compile("|".join(re.escape(name).replace(r"\*", r"\w*") for name in _NAMES))
_BLANKED = [name for name in _NAMES if name.startswith("POSTGRES") and not name.endswith("*")]
"""Set to an empty value, because a ConfigMap or Secret that is taken over as a whole may contain them."""
_SUPERUSER = re.compile(r"(POSTGRESQL(?:_POSTGRES)?_PASSWORD)(?:_FILE)?")
"""Bitnami's names of the superuser's password, which its image requires at each start."""
_IN_TEXT = "the server's container has secrets as plain text, which are not copied into another object"
_REFERRED = (
    "Keep them in a Secret, and name it in server_pods for each of them:"
    " {env: {NAME: {secretKeyRef: {name: SECRET, key: KEY}}}}; for one that the new"
    " server does not need: {env: {NAME: {value: ''}}}."
)
_REFERENCES = re.compile(r"(\$\(\w+\))+")


def taken_over(
    container: Mapping[str, Any],
    given: Sequence[Entry],
    *,
    own: Collection[str],
    own_file: bool,
    passwords: Entry | None = None,
) -> dict[str, Any]:
    """Return `env` and `env_from` for a new server's template, from that container.

    `given` are the operator's own entries, which win; `own` are names that the template sets. With
    `passwords`, a reference, variables that hold the superuser's password refer to that: the new server has
    its own. A secret that is plain text in the container is not copied into another object: raises
    ParameterError; with a template of the operator (`own_file`) it is left out.
    """
    replaced = {str(entry["name"]) for entry in given}
    there = [entry for entry in container.get("env") or [] if entry["name"] not in replaced]
    entries = [entry for entry in there if _STAYS.fullmatch(entry["name"]) is None]
    login: list[Entry] = []
    if passwords is not None:
        names = {found[1]: None for e in entries if (found := _SUPERUSER.fullmatch(e["name"]))}
        login = [{"name": name, "valueFrom": passwords} for name in names]
        entries = [entry for entry in entries if not _SUPERUSER.fullmatch(entry["name"])]
    secrets = list(_secrets(entries))
    if secrets and not own_file:
        raise ParameterError(_IN_TEXT, found=", ".join(secrets), remedy=_REFERRED)
    sources = list(container.get("envFrom") or ())
    empty = [name for name in _BLANKED if sources and name not in {*replaced, *own}]
    kept = [entry for entry in entries if entry["name"] not in secrets]
    return {"env": [*({"name": name, "value": ""} for name in empty), *login, *kept], "env_from": sources}


def _secrets(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        name, value = str(entry["name"]), str(entry.get("value") or "")
        if value and not _REFERENCES.fullmatch(value) and masked_setting(name, value) != value:
            yield name
