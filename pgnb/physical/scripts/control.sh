# Read a stopped server's data directory without changing it: control file, histories, WAL files, slots. Arguments:
# the data directory, a directory of PostgreSQL's programs to search after PATH. Writes KEY=VALUE lines.
data=$1
export PATH=$PATH${2:+:$2} LC_ALL=C
control=$(pg_controldata -D "$data") || exit 1
echo "$control" | sed -n \
    -e 's/^Database cluster state: */state=/p' \
    -e 's/^Latest checkpoint location: */checkpoint=/p' \
    -e "s/^Latest checkpoint's REDO location: */redo=/p" \
    -e "s/^Latest checkpoint's TimeLineID: */timeline=/p" \
    -e "s/^Latest checkpoint's full_page_writes: */full_page_writes=/p" \
    -e "s/^Min recovery ending loc's timeline: */recovery_timeline=/p" \
    -e 's/^wal_log_hints setting: */wal_log_hints=/p' \
    -e 's/^Data page checksum version: */checksums=/p' \
    -e 's/^Bytes per WAL segment: */segment_size=/p'
for file in "$data"/pg_wal/*.history; do
    [ -s "$file" ] || continue
    name=${file##*/}
    echo "history_${name%.history}=$(awk '$1 ~ /^[0-9]+$/ { print $1, $2 }' "$file" | tr '\n' ';')"
done
echo "segments=$(ls -A "$data/pg_wal" | grep -E -x '[0-9A-F]{24}' | tr '\n' ' ')"
[ -e "$data.pgnb-kept/complete" ] && echo "rewind_interrupted=yes"
echo "slots=$(ls -A "$data/pg_replslot" | tr '\n' ' ')"
exit 0
