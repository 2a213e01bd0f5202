# Sections 2 to 5 of the procedure, command by command, its own waits (`sleep 2`, `sleep 5`) included.
# What it does not get through without, and what is changed here for that:
# - 2.2: a changed ConfigMap reaches a pod some time after `kubectl apply`; the `if [ -f … ]` right after it would
#   silently merge nothing, and the base backup be refused by pg_hba.conf. So the file is waited for.
# - 3.2: `kubectl wait` ends at once where no pod is there yet; it is repeated until there is one.
# - 3.3: `pg_ctl stop` would end the pod, so PostgreSQL is not its first process (replica.yaml); pg_ctl start gets
#   a log file, or kubectl exec would not end. The password that a person types comes from the environment. The
#   checkpoint is a fast one: an idle server's own would take minutes.
# - `su - postgres` is left out where the container runs as that user already.
# Of 5 the number of transactions is a variable. Given: kubectl (a function), TRANSACTIONS, MANIFEST.
set -euo pipefail
DATA=/var/lib/postgresql/data/pgdata

# 2
PRIMARY_POD=$(kubectl get pod -l app=postgres-primary -o jsonpath="{.items[0].metadata.name}")
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SHOW wal_level;"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SHOW max_wal_senders;"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SHOW max_replication_slots;"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SHOW synchronous_commit;"

# 2.1
kubectl get configmap postgres-primary-config -o yaml || true # not there yet
cat << EOF | kubectl apply -f -
apiVersion: v1
kind: ConfigMap
metadata:
  name: postgres-primary-config
data:
  postgresql.conf: |
    listen_addresses = '*'
    wal_level = logical
    max_wal_senders = 10
    wal_keep_size = 1GB
    max_replication_slots = 10
    hot_standby = on
    synchronous_commit = off   # 非同期レプリケーションの設定
  pg_hba.conf: |
    # TYPE  DATABASE        USER            ADDRESS                 METHOD
    local   all             all                                     trust
    host    all             all             0.0.0.0/0               md5
    host    replication     all             0.0.0.0/0               md5
EOF

# 2.2
until kubectl exec "$PRIMARY_POD" -- test -f /etc/postgresql/custom-config/pg_hba.conf; do sleep 1; done
kubectl exec -i "$PRIMARY_POD" -- bash -s "$DATA" << 'EOF'
ls -la $1/*.conf
if [ -f "/etc/postgresql/custom-config/postgresql.conf" ]; then
  cat /etc/postgresql/custom-config/postgresql.conf >> $1/postgresql.conf
fi
if [ -f "/etc/postgresql/custom-config/pg_hba.conf" ]; then
  cat /etc/postgresql/custom-config/pg_hba.conf >> $1/pg_hba.conf
fi
psql -U postgres -c "SELECT pg_reload_conf();"
psql -U postgres -c "SHOW wal_level;"
psql -U postgres -c "SHOW max_wal_senders;"
psql -U postgres -c "SHOW max_replication_slots;"
psql -U postgres -c "SHOW synchronous_commit;"
EOF

# 2.3
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SELECT pg_create_physical_replication_slot('replica_slot');"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SELECT * FROM pg_replication_slots;"

# 3.1
cat << EOF | kubectl apply -f -
apiVersion: v1
kind: ConfigMap
metadata:
  name: postgres-async-replica-config
data:
  postgresql.conf: |
    listen_addresses = '*'
    hot_standby = on
    wal_level = logical
    max_wal_senders = 10
    synchronous_commit = off   # 非同期レプリケーション設定
  pg_hba.conf: |
    # TYPE  DATABASE        USER            ADDRESS                 METHOD
    local   all             all                                     trust
    host    all             all             0.0.0.0/0               md5
EOF

# 3.2
kubectl apply -f "$MANIFEST"
until kubectl wait --for=condition=Ready pod -l app=postgres-async-replica; do sleep 1; done

# 3.3
REPLICA_POD=$(kubectl get pod -l app=postgres-async-replica -o jsonpath="{.items[0].metadata.name}")
kubectl exec -i "$REPLICA_POD" -- bash -s "$DATA" << 'EOF'
set -e
as_postgres() { if [ "$(id -u)" = 0 ]; then gosu postgres "$@"; else "$@"; fi; }
as_postgres pg_ctl -D $1 stop -m fast
rm -rf $1/*
[ "$(id -u)" != 0 ] || chown postgres:postgres $1
export PGPASSWORD=$POSTGRES_PASSWORD
as_postgres pg_basebackup -h postgres-primary -U postgres -D $1 -Fp -Xs -P -R -S replica_slot --checkpoint=fast
cat > $1/standby.signal << END
# standby mode
END
cat >> $1/postgresql.conf << END
# Replication configuration
primary_conninfo = 'host=postgres-primary port=5432 user=postgres password=$PGPASSWORD application_name=async_replica'
primary_slot_name = 'replica_slot'
hot_standby = on
END
if [ -f "/etc/postgresql/custom-config/postgresql.conf" ]; then
  cat /etc/postgresql/custom-config/postgresql.conf >> $1/postgresql.conf
fi
if [ -f "/etc/postgresql/custom-config/pg_hba.conf" ]; then
  cat /etc/postgresql/custom-config/pg_hba.conf >> $1/pg_hba.conf
fi
as_postgres pg_ctl -D $1 -l /tmp/postgres.log start
psql -U postgres -c "SHOW hot_standby;"
psql -U postgres -c "SHOW synchronous_commit;"
psql -U postgres -c "SELECT pg_is_in_recovery();"
EOF

# 4
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SELECT * FROM pg_stat_replication;"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SELECT client_addr, application_name, state, sync_state, pg_wal_lsn_diff(pg_current_wal_lsn(), sent_lsn) AS sent_lag, pg_wal_lsn_diff(pg_current_wal_lsn(), write_lsn) AS write_lag, pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) AS flush_lag, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS replay_lag FROM pg_stat_replication;"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "CREATE DATABASE replication_test;"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -d replication_test -c "CREATE TABLE test_async (id SERIAL PRIMARY KEY, data TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -d replication_test -c "INSERT INTO test_async (data) VALUES ('test1');"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -d replication_test -c "INSERT INTO test_async (data) VALUES ('test2');"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -d replication_test -c "SELECT * FROM test_async;"
sleep 2
kubectl exec "$REPLICA_POD" -- psql -U postgres -d replication_test -c "SELECT * FROM test_async;"

# 5
kubectl exec "$PRIMARY_POD" -- bash -c "for ((i = 1; i <= $TRANSACTIONS; i++)); do psql -U postgres -d replication_test -c \"INSERT INTO test_async (data) VALUES ('bulk-test-\$i');\"; done"
kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "SELECT application_name, client_addr, state, sync_state, replay_lag FROM pg_stat_replication;"
PRIMARY_COUNT=$(kubectl exec "$PRIMARY_POD" -- psql -U postgres -d replication_test -t -c "SELECT COUNT(*) FROM test_async;")
sleep 5 # レプリケーションの遅延を考慮
REPLICA_COUNT=$(kubectl exec "$REPLICA_POD" -- psql -U postgres -d replication_test -t -c "SELECT COUNT(*) FROM test_async;")
echo "プライマリの行数: $PRIMARY_COUNT"
echo "レプリカの行数: $REPLICA_COUNT"

# Not the procedure's: a run that did not do the work is no measurement.
[ "$PRIMARY_COUNT" = "$REPLICA_COUNT" ] && [ "$PRIMARY_COUNT" -eq $((TRANSACTIONS + 2)) ]
