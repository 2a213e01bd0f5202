"""One PostgreSQL server in a pod: sessions, facts, configuration, and the plans that change it."""

from pgnb.server.facts import Facts
from pgnb.server.find import find_server
from pgnb.server.hba import HbaRules
from pgnb.server.hbarule import Client, HbaRule, replication_rules
from pgnb.server.networks import pod_networks
from pgnb.server.roles import role_checks
from pgnb.server.rows import Rows
from pgnb.server.server import Server
from pgnb.server.session import Login, Session, compose, join, literal, name
from pgnb.server.settings import Setting, SettingsTable

__all__ = [
    "Client",
    "Facts",
    "HbaRule",
    "HbaRules",
    "Login",
    "Rows",
    "Server",
    "Session",
    "Setting",
    "SettingsTable",
    "compose",
    "find_server",
    "join",
    "literal",
    "name",
    "pod_networks",
    "replication_rules",
    "role_checks",
]
