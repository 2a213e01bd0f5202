# Run pg_rewind for a stopped server, and keep its configuration. Arguments: the passfile to write, host, port, role;
# the data directory, a directory of PostgreSQL's programs to search after PATH, the connection string, a directory to
# keep the configuration in; then options as on the server's command line. The password is read from a file and
# written only to the passfile. The last line says how far it came: "untouched" until pg_rewind writes, "rewound" at
# the end.
write_passfile "$1" "$2" "$3" "$4" || exit 1
data=$5 connection=$7 kept=$8
export PATH=$PATH${6:+:$6} LC_ALL=C
shift 8
umask 077
fail() { echo "$1"; exit 1; }

# The settings in the control file, as the server had them. Recovery writes its own settings there, and the server's
# configuration may be elsewhere: then pg_rewind would miss wal_log_hints, and prepared transactions their room.
as_it_ran() {
    pg_controldata -D "$data" | sed -nE \
        -e 's/^(wal_level|wal_log_hints|max_connections|max_worker_processes) setting: +/\1=/p' \
        -e 's/^(max_wal_senders|track_commit_timestamp) setting: +/\1=/p' \
        -e 's/^max_prepared_xacts setting: +/max_prepared_transactions=/p' \
        -e 's/^max_locks_per_xact setting: +/max_locks_per_transaction=/p'
}

# The caller has checked that no other pod uses the volume. In this pod's PID namespace the number in postmaster.pid
# could be that of another running process.
rm -f -- "$data/postmaster.pid"
case $(pg_controldata -D "$data" | sed -n 's/^Database cluster state: *//p') in
"shut down" | "shut down in recovery") ;;
*)
    # After a crash its own WAL is replayed first, by a single-user server that accepts no connections.
    echo "recovering from the crash"
    rm -f -- "$data/standby.signal"
    [ -e "$data/postgresql.conf" ] || { : > /tmp/pgnb-empty.conf; set -- -c config_file=/tmp/pgnb-empty.conf "$@"; }
    for setting in $(as_it_ran); do set -- -c "$setting" "$@"; done
    recovered=
    postgres --single -F -D "$data" "$@" template1 < /dev/null 2>&1 || recovered=no
    : > "$data/standby.signal"
    [ -z "$recovered" ] || fail "untouched"
    ;;
esac

pg_rewind --target-pgdata="$data" --source-server="$connection" --no-ensure-shutdown --dry-run 2>&1 || fail "untouched"

# This server's own files: every entry of the data directory that is not PostgreSQL's. pg_rewind would replace them by the
# source's, or remove them. An interrupted run has kept them already.
own() {
    for path in "$1"/* "$1"/.[!.]*; do
        [ -e "$path" ] || continue
        case ${path##*/} in
        base | global | pg_hba.conf.* | lost+found | .pgnb-* | *.pgnb-tmp) ;;
        pg_hba.conf | pg_ident.conf) echo "${path##*/}" ;;
        pg_* | PG_VERSION | backup_label* | tablespace_map* | backup_manifest | postmaster.* | current_logfiles | log) ;;
        standby.signal | recovery.signal) ;;
        *) echo "${path##*/}" ;;
        esac
    done
}
if [ ! -e "$kept/complete" ]; then
    rm -rf -- "$kept" && mkdir -p -- "$kept/own" || fail "untouched"
    own "$data" | while IFS= read -r name; do
        cp -a -- "$data/$name" "$kept/own/" || exit 1
    done || fail "untouched"
    : > "$kept/complete" && sync || fail "untouched"
fi

echo "rewinding"
pg_rewind --target-pgdata="$data" --source-server="$connection" --no-ensure-shutdown --write-recovery-conf \
    --progress 2>&1 || fail "half rewound"
[ -e "$data/standby.signal" ] || : > "$data/standby.signal" || fail "half rewound"
own "$data" | while IFS= read -r name; do rm -rf -- "$data/${name:?}" || exit 1; done || fail "half rewound"
cp -a -- "$kept/own/." "$data/" || fail "half rewound"
rm -rf -- "$data/pg_replslot/"* && chmod 0700 "$data" && sync || fail "half rewound"
echo "rewound"
