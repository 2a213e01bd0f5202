# Make a stopped old primary start read-only as a standby, before anything else is changed. Its slots are removed,
# since they would keep WAL without a consumer. Argument: the data directory.
data=$1
: > "$data/standby.signal" && sync -- "$data/standby.signal" 2> /dev/null || exit 1
for slot in "$data"/pg_replslot/*; do
    [ ! -e "$slot" ] || rm -rf -- "$slot" || exit 1
done
chmod 0700 "$data" && exit 0
exit 1
