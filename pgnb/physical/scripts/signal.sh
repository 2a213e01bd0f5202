# Create standby.signal in a stopped server's data directory, or remove it. With it, a server that is started by
# mistake is read-only. Arguments: the data directory; put or remove.
file=$1/standby.signal
if [ "$2" = put ]; then : >> "$file"; else rm -f -- "$file"; fi || exit 1
sync -- "$1" 2> /dev/null || sync
