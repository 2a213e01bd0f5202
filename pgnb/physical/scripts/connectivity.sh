# Whether the source can be reached from here, one proof after the other: name, port, replication session.
# Arguments: the passfile to write, host, port, role; then a directory of PostgreSQL's programs to look in
# behind PATH, and the connection's text. Writes "proof STATUS NAME" before each proof's own words.
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
