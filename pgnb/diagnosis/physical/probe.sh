# Whether a standby reaches its primary, tried in its own container with its own connection: name, port, session.
# Arguments: host, port, a directory of PostgreSQL's programs to look in behind PATH, and the connection's text
# without a password; a password that stood in it comes on standard input, by a line. Changes nothing, and ends
# with status 0 always. Writes "proof STATUS NAME" before each proof's own words.
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
