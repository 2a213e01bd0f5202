# Test whether a standby reaches its primary, in its own container and with its own connection. Arguments: host, port,
# a directory of PostgreSQL's programs to search after PATH, and the connection string without a password; a password
# from it is read from standard input, as one line. Changes nothing, and always ends with status 0. Needs proofs.
export PATH=$PATH${3:+:$3} LC_ALL=C PGCONNECT_TIMEOUT=5
if IFS= read -r given && [ -n "$given" ]; then export PGPASSWORD=$given; fi
proofs "$1" "$2" "$4 dbname=replication"
exit 0
