# Read how far a stopped server's WAL goes, what it holds after the fork, and the last checkpoint before it.
# Arguments: the data directory, a directory of PostgreSQL's programs to search after PATH, the server's timeline, the
# LSN to read from, the fork's timeline and LSN, and the LSN from which to search for a checkpoint (may be empty).
# Writes KEY=VALUE lines; a key is left out if the WAL cannot be read.
data=$1 timeline=$3 start=$4 fork_timeline=$5 fork=$6 oldest=$7
export PATH=$PATH${2:+:$2} LC_ALL=C
# pg_waldump ends with an error at the end of WAL, which shows the end.
dump() { pg_waldump -p "$data/pg_wal" "$@" 2> /dev/null; }

dump -t "$timeline" -s "$start" | tail -n 1 | sed -n 's|.* lsn: \([0-9A-F/]*\),.*|last=\1|p'
# Rows of user relations, whose files have numbers from 16384 on.
dump -t "$timeline" -s "$fork" | awk '
    / desc: COMMIT/ { commits++; time = $0; sub(/.* desc: COMMIT[A-Z_]* /, "", time); sub(/;.*/, "", time)
                      sub(/^[0-9]+: /, "", time); if (!first) first = time; last = time }
    /^rmgr: Heap/ && match($0, /rel [0-9]+\/[0-9]+\/[0-9]+/) {
        split(substr($0, RSTART, RLENGTH), rel, "/"); if (rel[3] + 0 < 16384) next
        if (/ desc: INSERT/) inserted++
        else if (/ desc: (HOT_)?UPDATE/) updated++
        else if (/ desc: DELETE/) deleted++
        else if (match($0, /ntuples: [0-9]+/)) inserted += substr($0, RSTART + 9, RLENGTH - 9)
        else if (match($0, /MULTI_INSERT(\+INIT)? [0-9]+ tuples/)) {
            split(substr($0, RSTART, RLENGTH), part, " "); inserted += part[2] }
    }
    END { printf "records=%d\ncommits=%d\nfirst=%s\nfinal=%s\n", NR, commits, first, last
          printf "inserted=%d\nupdated=%d\ndeleted=%d\n", inserted, updated, deleted }'
[ -z "$oldest" ] ||
    dump -r XLOG -t "$fork_timeline" -s "$oldest" -e "$fork" | grep ' desc: CHECKPOINT_' | tail -n 1 |
    sed -n 's|.* redo \([0-9A-F/]*\);.*|common=\1|p'
exit 0
