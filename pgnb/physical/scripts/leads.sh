# Where a data directory's links lead: pg_wal and tablespaces outside of it. Arguments: the data directory, the volume's
# mount point. Writes KEY=VALUE lines.
data=$1
# During a swap the old data are beside.
[ -e "$data/PG_VERSION" ] || if [ "$data" = "$2" ]; then data=$1/.pgnb-old; else data=$1.pgnb-old; fi
[ -L "$data/pg_wal" ] && echo "wal=$(wal_link "$data")"
echo "outside=$(links "$data" | sed ':a; N; $!ba; s/\n/, /g')"
