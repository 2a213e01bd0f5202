# Run a command that continues after the session that started it. Arguments: a path, to which .log and .status are
# appended; the command. PATH.status holds its exit status after it has ended.
base=$1
shift
rm -f -- "$base.log" "$base.status" "$base.status.tmp"
setsid sh -c 'base=$1; shift; "$@" > "$base.log" 2>&1; echo $? > "$base.status.tmp"; mv "$base.status.tmp" "$base.status"' \
    pgnb-background "$base" "$@" < /dev/null > /dev/null 2>&1 &
exit 0
