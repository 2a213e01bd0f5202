"""One PostgreSQL server in a pod: sessions, facts, configuration, and the plans that change it."""

from pgnb.postgres.config.hba import HbaRules, pod_networks
from pgnb.postgres.config.hbarule import Client, HbaRule, replication_rules
from pgnb.postgres.config.settings import Setting, SettingsTable
from pgnb.postgres.facts import Facts
from pgnb.postgres.find import ServerAccess, find_server
from pgnb.postgres.roles import role_checks
from pgnb.postgres.rows import Rows
from pgnb.postgres.server import Server
from pgnb.postgres.session import Login, Session, compose, identifier, join, literal

__all__ = [
    "Client",
    "Facts",
    "HbaRule",
    "HbaRules",
    "Login",
    "Rows",
    "Server",
    "ServerAccess",
    "Session",
    "Setting",
    "SettingsTable",
    "compose",
    "find_server",
    "identifier",
    "join",
    "literal",
    "pod_networks",
    "replication_rules",
    "role_checks",
]
