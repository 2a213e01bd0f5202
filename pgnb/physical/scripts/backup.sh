# Make a base backup in a new directory beside the data directory, which is not touched. Arguments: the passfile to
# write, host, port, role; the new directory, a directory of PostgreSQL's programs to search after PATH, the
# connection string; the data directory and the old one; a place for pg_wal outside of the new directory (may be
# empty); the number of tablespaces, and for each its path at the source and its place; further options of
# pg_basebackup. A place in use is not touched: the one beside it is used. The password is read from a file and
# written only to the passfile, since pg_basebackup -R would write it from its environment to the configuration. No
# slot is named: the WAL comes through a temporary slot, so that a failed backup does not move the standby's slot. The
# mark at the end says that this backup is complete and verified. Progress is shown once a second, since the output is
# not a terminal.
write_passfile "$1" "$2" "$3" "$4" || exit 1
new=$5 connection=$7 data=$8 old=$9
export PATH=$PATH${6:+:$6}
shift 9
wal=$1 spaces=$2
shift 2

umask 077
discard "$new" "$data" || exit 1
mkdir -p -- "$(dirname "$new")" || exit 1
# A place is noted before anything is written there, and only while it is empty.
take() {
    place=$(unused "$1" "$(cat "$new.places" 2> /dev/null)" "$data" "$old")
    [ -z "$(ls -A "$place" 2> /dev/null | grep -v -x lost+found)" ] || { echo "$place is not empty"; exit 1; }
    printf '%s\n' "$place" >> "$new.places" || exit 1
}
if [ -n "$wal" ]; then
    take "$wal"
    set -- "$@" "--waldir=$place"
fi
while [ "$spaces" -gt 0 ]; do
    take "$2"
    set -- "$@" "--tablespace-mapping=$(printf '%s' "$1" | sed 's/=/\\=/g')=$(printf '%s' "$place" | sed 's/=/\\=/g')"
    shift 2
    spaces=$((spaces - 1))
done
[ ! -e "$new.places" ] || sync -- "$new.places" 2> /dev/null || sync
pg_basebackup -d "$connection" -D "$new" --format=plain --write-recovery-conf --wal-method=stream \
    --no-password --progress "$@" || exit 1
chmod 0700 "$new" || exit 1
echo "copied; verifying"
pg_verifybackup --quiet "$new" || exit 1
rm -f -- "$new.places" && cksum < "$new/backup_manifest" > "$new/.pgnb-verified" || exit 1
sync -- "$new/.pgnb-verified" 2> /dev/null || sync
echo "verified"
