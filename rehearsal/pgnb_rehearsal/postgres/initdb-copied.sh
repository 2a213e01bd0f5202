#!/usr/bin/env bash
# initdb for a cluster that makes many servers: what was made once with the same options and the same password is
# copied, and gets a system identifier of its own. Used where /var/cache/initdb is mounted (see images.py).
set -Eeuo pipefail

readonly COPIES=/var/cache/initdb
readonly POLYNOMIAL=0x82F63B78 # CRC-32C, reflected
declare -a others=() table=() bytes=()
data='' password=''

# make: initdb itself.
make() { initdb "${others[@]}" --pgdata="$data" --pwfile=<(printf '%s\n' "$password"); }

# little_endian NUMBER COUNT: the number's lowest bytes, as printf takes them.
little_endian() {
  local number=$1 left=$2 text='' byte
  for ((; left > 0; left--, number >>= 8)); do
    printf -v byte '\\x%02x' $((number & 255))
    text+=$byte
  done
  printf '%s' "$text"
}

# overwrite FILE OFFSET BYTES: in place.
overwrite() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

read_bytes() { read -r -d '' -a bytes < <(od -An -v -tu1 -N 512 "$1") || true; }

fill_table() {
  local number crc
  for number in {0..15}; do
    for ((crc = number, bit = 0; bit < 4; bit++)); do crc=$((crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1)); done
    table+=("$crc")
  done
}

# next CRC BYTE: into `crc`.
next() {
  crc=$(($1 ^ $2))
  crc=$(((crc >> 4) ^ table[crc & 15]))
  crc=$(((crc >> 4) ^ table[crc & 15]))
}

# checksum LENGTH: of so many of `bytes`, into `sum`; find_checksum: where it stands, into `place`.
checksum() {
  local index crc=$((0xFFFFFFFF))
  for ((index = 0; index < $1; index++)); do next "$crc" "${bytes[index]}"; done
  sum=$((crc ^ 0xFFFFFFFF))
}

find_checksum() {
  local crc=$((0xFFFFFFFF)) b
  for ((place = 0; place < 508; place++)); do
    b=("${bytes[@]:place:4}")
    ((place % 4 || (crc ^ 0xFFFFFFFF) != (b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24))) || return 0
    next "$crc" "${bytes[place]}"
  done
  echo "initdb-copied: no checksum in pg_control" >&2
  return 1
}

# identify: another system identifier, made of the time as PostgreSQL does it, in pg_control and in the WAL.
identify() {
  local control=$data/global/pg_control number text segment
  number=$(((${EPOCHREALTIME%.*} << 32) | (10#${EPOCHREALTIME#*.} << 12) | (RANDOM & 4095)))
  text=$(little_endian "$number" 8)
  read_bytes "$control"
  fill_table
  find_checksum
  overwrite "$control" 0 "$text"
  read_bytes "$control"
  checksum "$place"
  overwrite "$control" "$place" "$(little_endian "$sum" 4)"
  for segment in "$data"/pg_wal/0*; do overwrite "$segment" 24 "$text"; done # xlp_sysid of its first page
}

# key: what the result depends on.
key() {
  { printf '%s\n' "$data" "$password" "${others[@]}" "$(id -u)" && printenv | grep -E '^(LANG|LC_|TZ=)' | sort; } |
    sha256sum | cut -d ' ' -f 1
}

# keep DIRECTORY: make, and keep that for the next time, unless somebody else was faster.
keep() {
  local draft status=0
  draft=$(mktemp -d "$COPIES/.draft-XXXXXX")
  make >"$draft/stdout" 2>"$draft/stderr" || status=$?
  cat "$draft/stdout" && cat "$draft/stderr" >&2
  if ((status == 0)) && cp -R --preserve=mode "$data" "$draft/data" && mv -T "$draft" "$1" 2>/dev/null; then return; fi
  rm -rf "$draft"
  return "$status"
}

# copy DIRECTORY: what was kept there.
copy() {
  mkdir -p "$data"
  cp -R --preserve=mode "$1/data/." "$data"
  cat "$1/stdout" && cat "$1/stderr" >&2
  identify
}

for argument in "$@"; do
  case $argument in
    --pgdata=*) data=${argument#*=} ;;
    --pwfile=*) password=$(<"${argument#*=}") ;;
    *) others+=("$argument") ;;
  esac
done

kept=$COPIES/$(key)
if [[ " ${others[*]}" == *" --waldir"* || -n $(ls -A "$data" 2>/dev/null) ]]; then
  make
elif [[ -d $kept ]]; then
  copy "$kept"
else
  keep "$kept"
fi
