# Find what a data directory has outside by its links: pg_wal and tablespaces. An unfinished base backup has a list of
# its places beside it (NEW.places), since its links are made last.

# Print where the links of a data directory lead, as absolute paths. Argument: the data directory.
links() { wal_link "$1" && space_links "$1"; }
wal_link() { whole "$1/pg_wal" "${1%/.pgnb-old}"; }
space_links() {
    for link in "$1"/pg_tblspc/*; do whole "$link" "${1%/.pgnb-old}/pg_tblspc"; done
}
# Arguments: a path that may be a link, and the directory from which a relative link leads.
whole() {
    [ -L "$1" ] || return 0
    path=$(readlink -- "$1")
    [ "${path#/}" != "$path" ] || path=$2/$path
    echo "$path/" | sed -E -e 's#/+(\./+)*#/#g' -e ':a' -e 's#/[^/]+/\.\./#/#' -e ta -e 's#^(/\.\.)+/#/#' -e 's#(.)/$#\1#'
}

# Test whether a line is among others. Arguments: it, and the others.
among() { printf '%s\n' "$2" | grep -q -x -F -e "$1"; }

# Print the first of PLACE, PLACE.2, PLACE.3 and so on that no data directory uses and that was not chosen before.
# Arguments: the place; those chosen, one in each line; data directories.
unused() {
    base=$1 place=$1 taken=$2 number=1
    shift 2
    taken=$(echo "$taken"; for directory in "$@"; do links "$directory"; done)
    while among "$place" "$taken"; do
        number=$((number + 1))
        place=$base.$number
    done
    echo "$place"
}
