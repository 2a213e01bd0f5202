# Inspect a data directory without changing it. Arguments: the data directory, the volume's mount point, a directory
# of PostgreSQL's programs to search after PATH; then the places that the next base backup uses outside of its data
# directory. Writes KEY=VALUE lines.
data=$1 mount=$2
export PATH=$PATH${3:+:$3} LC_ALL=C
shift 3

if [ "$data" = "$mount" ]; then new=$data/.pgnb-new old=$data/.pgnb-old; else new=$data.pgnb-new old=$data.pgnb-old; fi
echo "tools=$(postgres --version 2>/dev/null | sed 's/^[^0-9]*\([0-9]*\).*/\1/')"
above=$data
while [ ! -e "$above" ]; do above=$(dirname "$above"); done
if [ -w "$above" ]; then echo "writable=yes"; else echo "writable=no, $(stat -c '%n belongs to %u:%g (%a)' "$above")"; fi
df -Pk "$above" | awk 'NR == 2 { print "free_kb=" $4 }'
[ -e "$new" ] && echo "new=yes" && echo "new_kb=$(du -sk "$new" 2>/dev/null | cut -f 1)"
[ -e "$old" ] && echo "old=yes"
[ -e "$data/.pgnb-phase" ] && echo "phase=$(cat "$data/.pgnb-phase")"
number=0 chosen=
for base in "$@"; do
    number=$((number + 1))
    place=$(unused "$base" "$chosen" "$data" "$old")
    chosen="$chosen
$place"
    above=$place
    while [ ! -e "$above" ]; do above=$(dirname "$above"); done
    echo "place_$number=$place"
    # What an earlier base backup left there is used, or removed when the next one begins.
    ours=0
    among "$place" "$(links "$new"; cat "$new.places" 2>/dev/null)" && ours=$(du -sk "$place" 2>/dev/null | cut -f 1)
    echo "place_${number}_ours_kb=$ours"
    df -Pk "$above" | awk -v n="$number" 'NR == 2 { print "place_" n "_free_kb=" $4 }'
    [ -w "$above" ] || echo "place_${number}_belongs=$(stat -c '%n belongs to %u:%g (%a)' "$above")"
    [ "$ours" = 0 ] || continue
    entries=$(ls -A "$place" 2>/dev/null | grep -v -x lost+found | head -n 8 | tr '\n' ' ')
    [ -z "$entries" ] || echo "place_${number}_holds=$entries"
done

# A base backup that was never started, beside the data or in their place. It is complete and verified if its mark names
# its own manifest; a mark that was copied from the source names another one.
copy=$new
[ -e "$copy" ] || copy=$data
marked() { [ -s "$1/.pgnb-verified" ] && [ "$(cat "$1/.pgnb-verified")" = "$(cksum < "$1/backup_manifest")" ]; }
if marked "$copy" && [ -s "$copy/backup_label" ]; then
    echo "copy=$copy"
    echo "copy_age=$(($(date +%s) - $(stat -c %Y "$copy/.pgnb-verified")))"
    sed -n -e 's|^START WAL LOCATION: \([0-9A-F/]*\) .*|copy_start=\1|p' -e 's/^START TIMELINE: /copy_timeline=/p' \
        "$copy/backup_label"
    echo "copy_wal=$(readlink "$copy/pg_wal")"
    echo "copy_spaces=$(for link in "$copy"/pg_tblspc/*; do readlink "$link"; done | tr '\n' '\t')"
    pg_controldata -D "$copy" | sed -n 's/^Database system identifier: */copy_system_identifier=/p'
fi

[ -e "$data" ] || { echo "kind=absent"; exit 0; }
[ -d "$data" ] || { echo "kind=file"; exit 0; }
echo "owner=$(stat -c '%u %g' "$data")"
[ -r "$data" ] && [ -x "$data" ] || { echo "kind=unreadable"; exit 0; }

entries=$(ls -A "$data" | grep -v -x -e lost+found -e .pgnb-new -e .pgnb-new.places -e .pgnb-old -e .pgnb-phase | head -n 8)
if [ -z "$entries" ]; then echo "kind=empty"; exit 0; fi
echo "entries=$(echo "$entries" | tr '\n' ' ')"
if ! [ -s "$data/PG_VERSION" ] || ! [ -s "$data/global/pg_control" ]; then echo "kind=other"; exit 0; fi

echo "kind=cluster"
echo "version=$(cat "$data/PG_VERSION")"
[ -e "$data/standby.signal" ] && echo "signal=yes"
[ -e "$data/backup_label" ] && echo "backup_label=yes"
# The mark is removed once the standby streams.
marked "$data" && echo "marked=yes"
# The server's own container shows its processes, whose titles say what they do.
grep -l -z 'walreceiver streaming' /proc/[0-9]*/cmdline 2>/dev/null | grep -q . && echo "receiver=streaming"
echo "used_kb=$(du -sk "$data" 2>/dev/null | cut -f 1)"
echo "tablespaces=$(ls -A "$data/pg_tblspc" | wc -l)"
# Files of user relations have numbers from 16384 on; large objects are in the catalog 2613.
echo "user_files=$(find "$data/base" -type f -name '[1-9]*' 2>/dev/null | sed 's|.*/||;s|[._].*||' | awk '$1 >= 16384' | wc -l)"
echo "large_objects=$(find "$data/base" -type f -name '2613*' -size +0 2>/dev/null | wc -l)"
pg_controldata -D "$data" | sed -n \
    -e 's/^Database system identifier: */system_identifier=/p' \
    -e 's/^Database cluster state: */state=/p' \
    -e "s/^Latest checkpoint's TimeLineID: */timeline=/p"
exit 0
