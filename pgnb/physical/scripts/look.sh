# How a command in the background is: "status=N" once it has ended, then the end of its output, of which a
# carriage return counts as a new line. Arguments: its path, and how many lines.
[ ! -e "$1.status" ] || echo "status=$(cat "$1.status")"
tail -c 4000 "$1.log" 2> /dev/null | tr '\r' '\n' | tail -n "$2"
exit 0
