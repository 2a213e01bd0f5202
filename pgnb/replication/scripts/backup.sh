# A base backup into a directory of its own, beside the data directory, which it does not touch.
# Arguments: the passfile to write, host, port, role; then the new directory, a directory of PostgreSQL's
# programs to look in behind PATH, the connection's text, and further options of pg_basebackup. The password comes in a file and goes no
# further than into the passfile: in the environment of pg_basebackup, -R would write it to the configuration.
# No slot is named: the backup's WAL comes through a temporary one, so that a backup that fails leaves the
# standby's slot where it was. The mark at the end says that this very backup is complete and verified. Progress comes once a second, since its output is no terminal.
write_passfile "$1" "$2" "$3" "$4" || exit 1
new=$5 connection=$7
export PATH=$PATH${6:+:$6}
shift 7

umask 077
rm -rf -- "$new" || exit 1
mkdir -p -- "$(dirname "$new")" || exit 1
pg_basebackup -d "$connection" -D "$new" --format=plain --write-recovery-conf --wal-method=stream \
    --no-password --progress "$@" || exit 1
chmod 0700 "$new" || exit 1
echo "copied; verifying"
pg_verifybackup --quiet "$new" || exit 1
cksum < "$new/backup_manifest" > "$new/.pgnb-verified" || exit 1
sync -- "$new/.pgnb-verified" 2> /dev/null || sync
echo "verified"
