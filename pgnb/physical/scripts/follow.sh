# Makes a stopped former primary a standby that may only read, before anything else of it is changed; the slots
# that it kept as a primary would hold WAL back for nobody. Argument: the data directory.
data=$1
: > "$data/standby.signal" && sync -- "$data/standby.signal" 2> /dev/null || exit 1
for slot in "$data"/pg_replslot/*; do
    [ ! -e "$slot" ] || rm -rf -- "$slot" || exit 1
done
chmod 0700 "$data" && exit 0
exit 1
