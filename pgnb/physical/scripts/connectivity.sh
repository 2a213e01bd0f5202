# Test whether the source can be reached from here: name, port, replication session. Arguments: the passfile to write,
# host, port, role; a directory of PostgreSQL's programs to search after PATH, the connection string. Writes "proof
# STATUS NAME" before each test's own output.
write_passfile "$1" "$2" "$3" "$4" || exit 1
export PATH=$PATH${5:+:$5} LC_ALL=C PGCONNECT_TIMEOUT=10
proof() {
    name=$1
    shift
    words=$("$@" 2>&1)
    echo "proof $? $name"
    echo "$words"
}
proof name getent hosts "$2"
proof port pg_isready -h "$2" -p "$3" -t 5
proof session psql -X -A -t -w -d "$6 replication=true" -c IDENTIFY_SYSTEM
exit 0
