# Remove a data directory, and what it has outside (outside.sh).

# Remove the files of a directory whose complete names match, and the directory if it is empty then. Arguments: it, the
# pattern.
clear_files() {
    [ -d "$1" ] || return 0
    ls -Ap "$1" | LC_ALL=C grep -x -E -e "$2" | (cd -- "$1" && xargs rm -f --) || return 1
    rmdir -- "$1" 2> /dev/null || :
}

# Empty a place of WAL, or of a tablespace of one major version or any (*). Only PostgreSQL's files are removed, by their
# complete names. Arguments: the place, the version.
clear_wal() {
    clear_files "$1/archive_status" '[0-9A-F]{8,24}[.A-Za-z0-9]*[.](ready|done)' || return 1
    clear_files "$1/summaries" '[0-9A-F]{40}[.]summary|temp[.]summary' || return 1
    clear_files "$1" '[0-9A-F]{24}([.]partial|[.][0-9A-F]{8}[.]backup)?|[0-9A-F]{8}[.]history|xlogtemp[.][0-9]+'
}
clear_space() {
    rm -rf -- "$1"/PG_${2}_[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9] || return 1
    rmdir -- "$1" 2> /dev/null || :
}

# Remove a data directory with everything outside. Its mark is removed first, so that an interrupted removal does not
# leave what looks like a complete base backup. Arguments: it, and a data directory whose places are kept.
discard() {
    if [ -e "$1/.pgnb-verified" ]; then
        rm -f -- "$1/.pgnb-verified" && { sync -- "$1" 2> /dev/null || sync; } || return 1
    fi
    kept=$(links "$2")
    version=$(cat "$1/PG_VERSION" 2> /dev/null)
    wal_link "$1" | unkept clear_wal || return 1
    space_links "$1" | unkept clear_space "${version:-none}" || return 1
    # These places were empty when they were noted.
    cat "$1.places" 2> /dev/null | unkept clear_noted || return 1
    rm -rf -- "$1" "$1.places"
}
clear_noted() { clear_wal "$1" && clear_space "$1" '*'; }
# Run a command for each place that is not kept.
unkept() {
    act=$1
    shift
    while IFS= read -r place; do
        case $place in /?*) among "$place" "$kept" || "$act" "$place" "$@" || return 1 ;; esac
    done
}
