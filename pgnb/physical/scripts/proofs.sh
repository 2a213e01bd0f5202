# Test a connection in three steps: name, port, replication session. `proofs HOST PORT CONNINFO` writes "proof STATUS
# NAME" before each program's output.
proof() {
    name=$1
    shift
    words=$("$@" 2>&1 < /dev/null)
    echo "proof $? $name"
    echo "$words"
}
proofs() {
    proof name getent hosts "$1"
    proof port pg_isready -h "$1" -p "$2" -t 5
    proof session psql -X -A -t -w -d "$3 replication=true" -c IDENTIFY_SYSTEM
}
