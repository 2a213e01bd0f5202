# Replace a file by standard input, atomically. Argument: the file.
umask 077
cat > "$1.pgnb-tmp" && mv -f -- "$1.pgnb-tmp" "$1" && exit 0
rm -f -- "$1.pgnb-tmp"
exit 1
