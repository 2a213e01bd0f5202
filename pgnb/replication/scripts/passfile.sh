# libpq's passfile, from the password in PGNB_PASSWORD, readable by its owner only. Arguments: the file, host,
# port, role. A newline at the password's end (as `kubectl create --from-file` leaves it) is dropped.
escaped() { sed 's/[\\:]/\\&/g'; }
write_passfile() (
    umask 077
    printf '%s:%s:*:%s:%s\n' "$(printf '%s' "$2" | escaped)" "$3" "$(printf '%s' "$4" | escaped)" \
        "$(printf '%s' "$PGNB_PASSWORD" | escaped)" > "$1"
)
