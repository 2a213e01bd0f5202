# What a data directory has outside of itself, by its links: pg_wal and tablespaces. Beside an unfinished base backup
# stands a list of its places (NEW.places), since it makes its links last.

# Where the links of a data directory lead. Argument: the data directory.
links() {
    for link in "$1/pg_wal" "$1"/pg_tblspc/*; do
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

# Empties a place of PostgreSQL's own files, and of no other: WAL, and the tablespace of one major version, or of any
# (*). Arguments: the place, the version.
clear_place() {
    rm -rf -- "$1"/PG_${2}_[0-9]* "$1"/[0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F]* \
        "$1/archive_status" "$1/summaries" "$1"/xlogtemp.* || return 1
    rmdir -- "$1" 2> /dev/null || :
}

# Removes a data directory with all that it has outside. Arguments: it, and a data directory whose places are kept.
discard() {
    kept=$(links "$2")
    version=$(cat "$1/PG_VERSION" 2> /dev/null)
    links "$1" | clear_all "${version:-none}" || return 1
    # These were empty when they were noted.
    cat "$1.places" 2> /dev/null | clear_all '*' || return 1
    rm -rf -- "$1" "$1.places"
}
clear_all() {
    while IFS= read -r place; do
        case $place in /?*) among "$place" "$kept" || clear_place "$place" "$1" || return 1 ;; esac
    done
}
