# Replace the data directory by the new one. The old one stays beside it until the standby streams; an even older one
# is removed, with what it has outside. If a base backup that never streamed is in place, that is removed instead, and
# the old data stay. Arguments: the data directory, the volume's mount point, and what is removed: former or unused.
# After an interruption, run it again to finish.
data=$1 mount=$2 goes=$3
# pg_basebackup has flushed the files; the directory's entries are flushed here.
lasting() { sync -- "$1" 2> /dev/null || sync; }

if [ "$data" != "$mount" ]; then
    new=$data.pgnb-new old=$data.pgnb-old unused=$data.pgnb-unused
    if [ -e "$data" ] && [ -e "$new" ]; then
        if [ "$goes" = unused ]; then to=$unused; else to=$old; discard "$old" "$data"; fi &&
            mv -T -- "$data" "$to" || exit 1
    fi
    # While it exists, the data directory does not. So an interrupted run comes here again.
    discard "$unused" "$old" || exit 1
    [ -e "$new" ] || { [ -e "$data" ]; exit; }
    mkdir -p -- "$(dirname "$data")" && mv -T -- "$new" "$data" && lasting "$(dirname "$data")" && exit 0
    exit 1
fi

# The data directory is the volume's root, which cannot be renamed, so its entries are: PG_VERSION is removed first and
# added last, so that no server takes the state in between for a data directory. The phase says how far it came.
new=$data/.pgnb-new old=$data/.pgnb-old unused=$data/.pgnb-unused phase=$data/.pgnb-phase
entries() { ls -A "$1" | grep -v -x -e lost+found -e '[.]pgnb-\(new\|new[.]places\|old\|unused\|phase\)' -e PG_VERSION; }
# A link counts as existing even if its target does not: pg_wal on a volume that is not mounted here.
move() { [ ! -e "$1/$3" ] && [ ! -L "$1/$3" ] || mv -f -- "$1/$3" "$2/"; }
if [ ! -e "$phase" ]; then
    [ -e "$new" ] || exit 0
    if [ "$goes" = unused ]; then
        mkdir -p -m 0700 -- "$unused" && echo aside > "$phase" || exit 1
    else
        discard "$old" "$data" && mkdir -m 0700 -- "$old" && echo out > "$phase" || exit 1
    fi
fi
case $(cat "$phase") in out) to=$old ;; aside) to=$unused ;; *) to= ;; esac
if [ -n "$to" ]; then
    move "$data" "$to" PG_VERSION || exit 1
    entries "$data" | while IFS= read -r entry; do move "$data" "$to" "$entry" || exit 1; done || exit 1
    echo in > "$phase" || exit 1
fi
discard "$unused" "$old" || exit 1
entries "$new" | while IFS= read -r entry; do move "$new" "$data" "$entry" || exit 1; done || exit 1
move "$new" "$data" PG_VERSION && rmdir -- "$new" && chmod 0700 "$data" && rm -f -- "$phase" && lasting "$data" && exit 0
exit 1
