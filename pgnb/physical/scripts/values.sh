# Test whether a stopped server accepts its configuration, and print values of settings. Arguments: the data
# directory, a directory of PostgreSQL's programs to search after PATH, names of settings separated by commas, then
# options as on the server's command line. Writes NAME=VALUE lines.
data=$1 names=$3
export PATH=$PATH${2:+:$2}
shift 3
for name in $(echo "$names" | tr ',' ' '); do
    value=$(postgres -D "$data" -C "$name" "$@") || exit 1
    echo "$name=$value"
done
