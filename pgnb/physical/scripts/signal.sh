# standby.signal put into a stopped server's data directory, or removed: with it, a server that starts by
# mistake is read-only. Arguments: the data directory, and put or remove.
file=$1/standby.signal
if [ "$2" = put ]; then : >> "$file"; else rm -f -- "$file"; fi || exit 1
sync -- "$1" 2> /dev/null || sync
