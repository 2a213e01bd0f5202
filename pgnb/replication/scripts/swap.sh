# Puts the new data directory in the place of the old one, which stays beside it until the standby streams; an older
# one that lies there goes, with what it has outside.
# Arguments: the data directory and the volume's mount point. Run again after an interruption, it goes on.
data=$1 mount=$2
# The files are on disk already, by pg_basebackup; here the directory's entries follow.
lasting() { sync -- "$1" 2> /dev/null || sync; }

if [ "$data" != "$mount" ]; then
    new=$data.pgnb-new old=$data.pgnb-old
    if [ -e "$data" ] && [ -e "$new" ]; then
        discard "$old" "$data" && mv -T -- "$data" "$old" || exit 1
    fi
    [ -e "$new" ] || { [ -e "$data" ]; exit; }
    mkdir -p -- "$(dirname "$data")" && mv -T -- "$new" "$data" && lasting "$(dirname "$data")" && exit 0
    exit 1
fi

# The data directory is the volume's root: it cannot be renamed, so its entries are, PG_VERSION first out and
# last in, so that no server takes the state between for a data directory. The phase says how far it was.
new=$data/.pgnb-new old=$data/.pgnb-old phase=$data/.pgnb-phase
entries() { ls -A "$1" | grep -v -x -e lost+found -e .pgnb-new -e .pgnb-new.places -e .pgnb-old -e .pgnb-phase -e PG_VERSION; }
# A link is there, too, when what it leads to is not: pg_wal on a volume that is not mounted here.
move() { [ ! -e "$1/$3" ] && [ ! -L "$1/$3" ] || mv -f -- "$1/$3" "$2/"; }
if [ ! -e "$phase" ]; then
    [ -e "$new" ] || exit 0
    discard "$old" "$data" && mkdir -m 0700 -- "$old" && echo out > "$phase" || exit 1
fi
if [ "$(cat "$phase")" = out ]; then
    move "$data" "$old" PG_VERSION || exit 1
    entries "$data" | while IFS= read -r entry; do move "$data" "$old" "$entry" || exit 1; done || exit 1
    echo in > "$phase" || exit 1
fi
entries "$new" | while IFS= read -r entry; do move "$new" "$data" "$entry" || exit 1; done || exit 1
move "$new" "$data" PG_VERSION && rmdir -- "$new" && chmod 0700 "$data" && rm -f -- "$phase" && lasting "$data" && exit 0
exit 1
