"""What a run could change, as one comparable value: Kubernetes objects, catalogs, settings and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pgnb.cluster import Cluster
from pgnb.postgres import Server

_KINDS = (
    "configmaps",
    "secrets",
    "services",
    "persistentvolumeclaims",
    "deployments",
    "statefulsets",
    "jobs",
    "serviceaccounts",
    "roles",
    "rolebindings",
)
_CATALOG = {
    "databases": "SELECT datname, datdba::regrole::text, datconnlimit FROM pg_database ORDER BY 1",
    "roles": "SELECT rolname, rolsuper, rolreplication, rolcanlogin, md5(rolpassword) AS verifier "
    "FROM pg_authid ORDER BY 1",
    "memberships": "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members ORDER BY 1, 2",
    "settings of databases": "SELECT * FROM pg_db_role_setting ORDER BY 1, 2",
    "slots": "SELECT slot_name, slot_type, plugin, database FROM pg_replication_slots ORDER BY 1",
    "settings": "SELECT name, setting, sourcefile FROM pg_settings "
    "WHERE name NOT IN ('transaction_read_only', 'default_transaction_read_only', 'application_name', "
    "'transaction_isolation', 'statement_timeout', 'TimeZone') ORDER BY 1",
    "tables": "SELECT c.oid::regclass::text AS name, c.relkind::text FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' ORDER BY 1",
}
_OF_DATABASE = {
    "schemas": "SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace "
    "WHERE nspname !~ '^pg_(temp|toast)' ORDER BY 1",
    "relations": "SELECT c.oid::regclass::text AS name, relkind::text, relreplident::text, relowner, "
    "(SELECT string_agg(a::text, ', ' ORDER BY attnum) FROM (SELECT attnum, attname, atttypid, attnotnull "
    "FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS a) AS columns "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' ORDER BY 1",
    "sequences": "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2",
    "publications": "SELECT p.*, (SELECT array_agg(r::text ORDER BY prrelid) FROM pg_publication_rel r "
    "WHERE prpubid = p.oid) AS tables FROM pg_publication p ORDER BY pubname",
    "subscriptions": "SELECT s.*, "
    "(SELECT array_agg(ROW(srrelid::regclass, srsubstate)::text ORDER BY srrelid) "
    "FROM pg_subscription_rel WHERE srsubid = s.oid) AS tables FROM pg_subscription s "
    "WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY subname",
}
_FILES = (
    "find {} -maxdepth 1 -type f \\( -name '*conf*' -o -name '*.passfile' \\) -exec cksum {{}} + ; ls -a {}"
)


def snapshot(
    cluster: Cluster, servers: tuple[Server, ...], *, every_database: bool = False
) -> dict[str, Any]:
    """The state of the namespace and of the servers; equal values mean that nothing was changed.

    `every_database`: with the content of each one's catalogs, those of logical replication included.
    """
    found = dict([*_objects(cluster), *(pair for server in servers for pair in _server(cluster, server))])
    if every_database:
        found |= {key: value for server in servers for key, value in _databases(server)}
    return found


def _databases(server: Server) -> Iterator[tuple[str, Any]]:
    for row in server.query("databases"):
        for name, statement in _OF_DATABASE.items():
            rows = server.query(statement, database=row["name"])
            yield f"{server.name} {row['name']} {name}", [dict(found) for found in rows]


def _objects(cluster: Cluster) -> Iterator[tuple[str, Any]]:
    for kind in _KINDS:
        for found in cluster.list(kind):
            yield f"{kind}/{found['metadata']['name']}", _wished(found)
    for pod in cluster.list("pods"):
        yield f"pods/{pod['metadata']['name']}", pod["metadata"]["uid"]


def _wished(found: dict[str, Any]) -> str:
    """An object without what the cluster itself writes into it."""
    kept = {key: value for key, value in found.items() if key not in ("status", "metadata")}
    meta = found["metadata"]
    kept["metadata"] = [meta["uid"], meta.get("generation"), meta.get("labels"), meta.get("managedFields")]
    if found.get("status"):
        kept["metadata"].pop()
    return json.dumps(kept, sort_keys=True)


def _server(cluster: Cluster, server: Server) -> Iterator[tuple[str, Any]]:
    for name, statement in _CATALOG.items():
        yield f"{server.name} {name}", [dict(row) for row in server.query(statement)]
    directory = server.facts.data_directory
    shell = ["sh", "-c", _FILES.format(directory, directory)]
    yield f"{server.name} files", cluster.exec(server.pod, shell).text
