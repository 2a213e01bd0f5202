# Tests whether a standby reaches its primary, in its own container and with its own connection: name, port, session.
# Arguments: host, port, a directory of PostgreSQL's programs to search after PATH, and the connection string without
# a password; a password from it is read from standard input, as one line. Changes nothing, and always ends with
# status 0. Writes "proof STATUS NAME" before each program's output.
export PATH=$PATH${3:+:$3} LC_ALL=C PGCONNECT_TIMEOUT=5
if IFS= read -r given && [ -n "$given" ]; then export PGPASSWORD=$given; fi
proof() {
    name=$1
    shift
    words=$("$@" 2>&1 < /dev/null)
    echo "proof $? $name"
    echo "$words"
}
proof name getent hosts "$1"
proof port pg_isready -h "$1" -p "$2" -t 5
proof session psql -X -A -t -w -d "$4 dbname=replication replication=true" -c IDENTIFY_SYSTEM
exit 0
