"""A standby and a subscriber whose connections are encrypted, and verify who answers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from replication_stage import ROLE, SECRET, Stage, carry_out, open_stage

from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.plan import gate
from pgnb.core.wait import wait_until
from pgnb.logical.initial_copy import wait_copied
from pgnb.logical.publications import plan_publications
from pgnb.logical.roles import plan_reader, subscription_rules
from pgnb.logical.schema import plan_schema
from pgnb.logical.specs import database_specs
from pgnb.logical.subscriber import plan_subscriber
from pgnb.logical.subscriptions import plan_subscriptions
from pgnb.physical import StandbySpec, check_source, plan_base_backup, replication_source
from pgnb.postgres import HbaRule, find_server
from pgnb.postgres.config.hba import plan_hba
from pgnb.postgres.roles import plan_role
from tests.certificates import Authority

pytestmark = pytest.mark.long
PRIMARY, FOLDER = "postgres-primary", "/etc/authority"
VERIFIED = {"sslmode": "verify-full", "sslrootcert": f"{FOLDER}/authority.crt"}
STRANGER = {"sslmode": "verify-ca", "sslrootcert": f"{FOLDER}/stranger.crt"}
_TLS = "SELECT application_name FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl"


def with_certificates(obj: dict[str, Any]) -> None:
    """The authorities' certificates beside the data, as a Secret's volume."""
    template = obj.get("spec", {}).get("template")
    if template is not None:
        mount = {"name": "authority", "mountPath": FOLDER, "readOnly": True}
        template["spec"]["containers"][0]["volumeMounts"].append(mount)
        template["spec"]["volumes"].append({"name": "authority", "secret": {"secretName": "authority"}})


@pytest.fixture(scope="module")
def stage(
    module_namespace: str,
    kubeconfig: Path,
    start_postgres: Callable[..., Any],
    api: Any,
    tmp_path_factory: Any,
):
    """A primary that accepts replication only over TLS."""
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.issue("authority")
    made.issue("stranger")
    made.issue(PRIMARY, "authority", made.key_of("authority"))
    files = {
        name: base64.b64encode((made.folder / name).read_bytes()).decode()
        for name in ("authority.crt", "stranger.crt")
    }
    api.create(
        f"/api/v1/namespaces/{module_namespace}/secrets", {"metadata": {"name": "authority"}, "data": files}
    )
    start_postgres(module_namespace, PRIMARY, args=("-c", "wal_level=logical"), patch=with_certificates)
    stage = open_stage(kubeconfig, module_namespace)
    data = stage.primary.facts.data_directory
    for file, content in (("server.crt", f"{PRIMARY}.crt"), ("server.key", f"{PRIMARY}.key")):
        argv = ("sh", "-c", 'umask 077; cat >"$1"', "write", f"{data}/{file}")
        pem = (made.folder / content).read_bytes()
        stage.cluster.exec(stage.primary.pod, argv, stdin=pem, changes=f"write {file}")
    stage.primary.execute("ALTER SYSTEM SET ssl = on")
    stage.primary.execute("SELECT pg_reload_conf()")
    wait_until("TLS", lambda: stage.primary.scalar("SHOW ssl"), lambda on: on == "on", timeout=20)
    carry_out(plan_role(stage.primary, ROLE, SECRET))
    carry_out(plan_hba(stage.primary, [HbaRule("hostssl", "replication", ROLE, "10.0.0.0/8")]))
    yield stage
    stage.primary.close()
    stage.cluster.close()


def test_a_standby_replicates_over_tls_and_verifies_the_primary(stage: Stage) -> None:
    stage.workload("standby", "standby_slot")
    named: dict[str, Any] = {"slot": "standby_slot", "application_name": "standby"}
    strange = replication_source(stage.primary, role=ROLE, secret=SECRET, tls=STRANGER)
    with pytest.raises(GateClosed, match="certificate verify failed"):
        gate(check_source(stage.primary, strange, "standby", **named))
    lost = replication_source(stage.primary, role=ROLE, secret=SECRET, tls=STRANGER | {"sslrootcert": "/no"})
    with pytest.raises(GateClosed, match="does not exist"):
        gate(check_source(stage.primary, lost, "standby", **named))
    source = replication_source(stage.primary, role=ROLE, secret=SECRET, tls=VERIFIED)
    gate(check_source(stage.primary, source, "standby", **named))
    carry_out(plan_base_backup(stage.primary, StandbySpec("standby", "standby_slot", "standby"), source))
    assert [row["application_name"] for row in stage.primary.query(_TLS)] == ["standby"]
    standby = stage.server("standby")
    assert f"sslrootcert={FOLDER}/authority.crt" in str(standby.scalar("SHOW primary_conninfo"))
    standby.close()


def test_a_subscription_is_made_over_tls_and_verifies_the_publisher(stage: Stage) -> None:
    publisher = stage.primary
    carry_out(plan_subscriber(publisher, "subscriber", tls=VERIFIED))
    subscriber = find_server(stage.cluster, "app=subscriber", password="secret:subscriber/password")
    publisher.execute("CREATE DATABASE shop")
    publisher.execute("CREATE TABLE t (id int PRIMARY KEY)", database="shop")
    publisher.execute("INSERT INTO t SELECT generate_series(1, 9)", database="shop")
    carry_out(plan_reader(publisher, ROLE))
    carry_out(plan_hba(publisher, subscription_rules(ROLE, ["10.0.0.0/8"], tls=True)))
    subscriber.execute("CREATE DATABASE shop")
    specs = database_specs(publisher, ["shop"])
    origin = replication_source(publisher, role=ROLE, secret=SECRET, tls=VERIFIED)
    carry_out(plan_schema(publisher, subscriber, specs, origin))
    carry_out(plan_publications(publisher, specs))
    carry_out(plan_subscriptions(publisher, subscriber, specs, origin))
    wait_copied(publisher, subscriber, specs, timeout=60)
    assert specs[0].subscription in [row["application_name"] for row in publisher.query(_TLS)]
    assert subscriber.scalar("SELECT count(*) FROM t", database="shop") == 9
    subscriber.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sslmode": "verify"}, "sslmode cannot be 'verify'"),
        ({"password": "x"}, "no option 'password'"),
        ({"sslmode": "verify-ca"}, "needs sslrootcert"),
        ({"sslrootcert": "ca.crt"}, "not an absolute path"),
        ({"sslcert": "/c"}, "are needed together"),
    ],
)
def test_options_that_libpq_could_not_carry_out_are_refused(
    stage: Stage, options: dict[str, str], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        replication_source(stage.primary, role=ROLE, secret=SECRET, tls=options)
