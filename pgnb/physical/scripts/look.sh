# Print the state of a command in the background: "status=N" after it has ended, then the end of its output, where a
# carriage return counts as a new line. Arguments: its path, the number of lines.
[ ! -e "$1.status" ] || echo "status=$(cat "$1.status")"
tail -c 4000 "$1.log" 2> /dev/null | tr '\r' '\n' | tail -n "$2"
exit 0
