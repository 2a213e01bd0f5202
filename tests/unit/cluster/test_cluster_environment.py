"""What of a container's environment a further server takes over, and what stays behind."""

from __future__ import annotations

from typing import Any

import pytest

from pgnb.cluster.environment import NOT_CARRIED, taken_over
from pgnb.core.errors import ParameterError

OWN = {"secretKeyRef": {"name": "new", "key": "password"}}


def names(*entries: dict[str, Any], **more: Any) -> list[str]:
    given = {"given": (), "own": ("PGDATA",), "own_file": False} | more
    return [entry["name"] for entry in taken_over({"env": list(entries)}, **given)["env"]]


@pytest.mark.parametrize("name", [name for some in NOT_CARRIED.values() for name in some])
def test_what_the_table_names_stays_behind_secret_or_not(name: str) -> None:
    assert names({"name": name.replace("*", "PASSWORD"), "value": "x"}) == []


def test_what_is_left_goes_along_by_reference() -> None:
    found = [
        {"name": "TZ", "value": "UTC"},
        {"name": "PGPORT", "value": "6000"},
        {"name": "LD_PRELOAD", "value": "/opt/lib.so"},
        {"name": "POSTGRESQL_PASSWORD", "valueFrom": OWN},
        {"name": "POSTGRESQL_PASSWORD_FILE", "value": "/secrets/password"},
        {"name": "DB_PASSWORD", "value": "$(POSTGRESQL_PASSWORD)"},
        {"name": "APP_TOKEN", "value": ""},
    ]
    assert names(*found) == [entry["name"] for entry in found]


@pytest.mark.parametrize(
    ("name", "value"), [("API_KEY", "k"), ("DB_PASSWORD", "p"), ("URL", "postgres://u:hunter2@h/d")]
)
def test_a_secret_in_the_text_is_refused_by_its_name_alone(name: str, value: str) -> None:
    with pytest.raises(ParameterError) as refused:
        names({"name": name, "value": value})
    assert refused.value.found == name
    assert names({"name": name, "value": value}, own_file=True) == []
    assert names({"name": name, "value": value}, given=({"name": name, "valueFrom": OWN},)) == []


def test_the_superuser_s_password_is_the_new_server_s_own() -> None:
    there = [
        {"name": "POSTGRESQL_PASSWORD_FILE", "value": "/s"},
        {"name": "POSTGRESQL_POSTGRES_PASSWORD", "value": "x"},
    ]
    made = taken_over({"env": there}, (), own=("PGDATA",), own_file=False, passwords=OWN)["env"]
    assert made == [
        {"name": "POSTGRESQL_PASSWORD", "valueFrom": OWN},
        {"name": "POSTGRESQL_POSTGRES_PASSWORD", "valueFrom": OWN},
    ]


def test_of_what_is_taken_over_as_a_whole_that_is_emptied_which_would_make_a_new_server() -> None:
    source = [{"secretRef": {"name": "all"}}]
    made = taken_over({"envFrom": source}, (), own=("POSTGRES_PASSWORD",), own_file=False)
    assert made["env_from"] == source
    empty = {entry["name"] for entry in made["env"] if entry["value"] == ""}
    assert {"POSTGRES_HOST_AUTH_METHOD", "POSTGRESQL_REPLICATION_MODE"} <= empty
    assert not {"POSTGRES_PASSWORD", "PGSERVICE"} & empty
