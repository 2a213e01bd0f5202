# Read how a stopped server ended, without changing its data directory. Arguments: the data directory, a directory of
# PostgreSQL's programs to search after PATH, an LSN from which to read the WAL ("" does not read it), the timeline of
# that WAL. Writes KEY=VALUE lines.
data=$1 start=$3 timeline=$4
export PATH=$PATH${2:+:$2} LC_ALL=C
pg_controldata -D "$data" | sed -n \
    -e 's/^Database system identifier: */system_identifier=/p' \
    -e 's/^Database cluster state: */state=/p' \
    -e 's/^Latest checkpoint location: */checkpoint=/p' \
    -e "s/^Latest checkpoint's TimeLineID: */timeline=/p"
[ -e "$data/standby.signal" ] && echo "signal=yes"
[ -n "$start" ] || exit 0
# pg_waldump always ends with an error, after the last record. Without the first segment nothing is known, and no
# count is written.
words=$(mktemp) || exit 1
pg_waldump --path="$data/pg_wal" --start="$start" ${timeline:+--timeline="$timeline"} 2> "$words" | awk '
    match($0, /lsn: [0-9A-F]+\/[0-9A-F]+/) { end = substr($0, RSTART + 5, RLENGTH - 5) }
    /^rmgr: Transaction .* desc: COMMIT/ { commits++ }
    END { if (NR) print "end=" end "\ncommits=" commits + 0; exit !NR }' ||
    grep -q -e 'could not' "$words" || echo "commits=0"
rm -f -- "$words"
exit 0
