# Section 12.4 as it is written, but for the password and for names that a shell does not split.
# Given: kubectl (a function), DATABASES (separated by spaces), PRIMARY_POD, REPLICA_POD, PASSWORD.
set -euo pipefail
for DB in $DATABASES; do
  DB_EXISTS=$(kubectl exec "$PRIMARY_POD" -- psql -U postgres -t -c "SELECT 1 FROM pg_database WHERE datname='$DB';")
  if [ -z "$DB_EXISTS" ]; then
    kubectl exec "$PRIMARY_POD" -- psql -U postgres -c "CREATE DATABASE $DB;"
  fi
  REPLICA_DB_EXISTS=$(kubectl exec "$REPLICA_POD" -- psql -U postgres -t -c "SELECT 1 FROM pg_database WHERE datname='$DB';")
  if [ -z "$REPLICA_DB_EXISTS" ]; then
    kubectl exec "$REPLICA_POD" -- psql -U postgres -c "CREATE DATABASE $DB;"
  fi
  TABLES=$(kubectl exec "$PRIMARY_POD" -- psql -U postgres -d "$DB" -t -c "SELECT tablename FROM pg_tables WHERE schemaname='public';")
  for TABLE in $TABLES; do
    TABLE=$(echo "$TABLE" | xargs)
    TABLE_DEF=$(kubectl exec "$PRIMARY_POD" -- psql -U postgres -d "$DB" -t -c "\d+ $TABLE")
    TABLE_DDL=$(kubectl exec "$PRIMARY_POD" -- pg_dump -U postgres -d "$DB" -t "$TABLE" --schema-only)
    echo "$TABLE_DDL" | kubectl exec -i "$REPLICA_POD" -- psql -U postgres -d "$DB"
  done
  kubectl exec "$PRIMARY_POD" -- psql -U postgres -d "$DB" -c "DROP PUBLICATION IF EXISTS pub_$DB;"
  kubectl exec "$PRIMARY_POD" -- psql -U postgres -d "$DB" -c "CREATE PUBLICATION pub_$DB FOR ALL TABLES;"
  kubectl exec "$REPLICA_POD" -- psql -U postgres -d "$DB" -c "DROP SUBSCRIPTION IF EXISTS sub_$DB;"
  kubectl exec "$REPLICA_POD" -- psql -U postgres -d "$DB" -c "CREATE SUBSCRIPTION sub_$DB CONNECTION 'host=postgres-primary port=5432 dbname=$DB user=postgres password=$PASSWORD' PUBLICATION pub_$DB;"
done
