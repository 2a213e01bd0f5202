# Whether a stopped server would take its configuration, and with which values. Arguments: the data directory,
# a directory of PostgreSQL's programs to look in behind PATH, the names of settings separated by commas, then
# options as the server would get them on its command line. Writes NAME=VALUE lines.
data=$1 names=$3
export PATH=$PATH${2:+:$2}
shift 3
for name in $(echo "$names" | tr ',' ' '); do
    value=$(postgres -D "$data" -C "$name" "$@") || exit 1
    echo "$name=$value"
done
