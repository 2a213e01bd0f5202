# Test whether the source can be reached from here. Arguments: the passfile to write, host, port, role; a directory of
# PostgreSQL's programs to search after PATH, the connection string. Needs passfile and proofs.
write_passfile "$1" "$2" "$3" "$4" || exit 1
export PATH=$PATH${5:+:$5} LC_ALL=C PGCONNECT_TIMEOUT=10
proofs "$2" "$3" "$6"
exit 0
