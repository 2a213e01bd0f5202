# Remove data directories that are not in use, each with its WAL and tablespaces outside. Arguments: the data
# directory in use, then those to remove.
data=$1
shift
for directory in "$@"; do discard "$directory" "$data" || exit 1; done
exit 0
