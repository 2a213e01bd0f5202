# What a data directory has outside of itself, by its links: pg_wal and tablespaces. Beside an unfinished base backup
# stands a list of its places (NEW.places), since it makes its links last.

# Where the links of a data directory lead. Argument: the data directory.
links() { wal_link "$1" && space_links "$1"; }
wal_link() { [ ! -L "$1/pg_wal" ] || readlink -- "$1/pg_wal"; }
space_links() {
    for link in "$1"/pg_tblspc/*; do
        [ ! -L "$link" ] || readlink -- "$link"
    done
}

# Whether a line is among others. Arguments: it, and the others.
among() { printf '%s\n' "$2" | grep -q -x -F -e "$1"; }

# The first of a place, PLACE.2 and PLACE.3 that no data directory leads to. Arguments: the place; data directories.
unused() {
    base=$1
    shift
    taken=$(for directory in "$@"; do links "$directory"; done)
    for place in "$base" "$base.2" "$base.3"; do
        among "$place" "$taken" || { printf '%s\n' "$place"; return; }
    done
}
