# What a data directory has outside of itself, by its links: pg_wal and tablespaces. Beside an unfinished base backup
# stands a list of its places (NEW.places), since it makes its links last.

# Where the links of a data directory lead, as whole paths. Argument: the data directory.
links() { wal_link "$1" && space_links "$1"; }
wal_link() { whole "$1/pg_wal" "${1%/.pgnb-old}"; }
space_links() {
    for link in "$1"/pg_tblspc/*; do whole "$link" "${1%/.pgnb-old}/pg_tblspc"; done
}
# Arguments: a link, if it is one, and the directory that it was made in, from which a relative one leads.
whole() {
    [ -L "$1" ] || return 0
    path=$(readlink -- "$1")
    [ "${path#/}" != "$path" ] || path=$2/$path
    echo "$path/" | sed -E -e 's#/+(\./+)*#/#g' -e ':a' -e 's#/[^/]+/\.\./#/#' -e ta -e 's#^(/\.\.)+/#/#' -e 's#(.)/$#\1#'
}

# Whether a line is among others. Arguments: it, and the others.
among() { printf '%s\n' "$2" | grep -q -x -F -e "$1"; }

# The first of a place, PLACE.2, PLACE.3 and so on that no data directory leads to, and that was not chosen already.
# Arguments: the place, those chosen, one a line; data directories.
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
