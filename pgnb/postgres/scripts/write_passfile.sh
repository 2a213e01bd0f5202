# The init container's program: the passfile, and nothing else.
write_passfile "$1" "$2" "$3" "$4"
