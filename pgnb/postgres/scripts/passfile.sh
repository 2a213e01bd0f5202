# libpq's passfile, readable by its owner only, from the password in the file that PGNB_PASSWORD_FILE names, or in
# PGNB_PASSWORD. Arguments: the file, host, port, role. A newline at the password's end (as `kubectl create --from-file` leaves it) is dropped.
escaped() { sed 's/[\\:]/\\&/g'; }
password() { if [ -n "${PGNB_PASSWORD_FILE:-}" ]; then cat "$PGNB_PASSWORD_FILE"; else printf '%s' "$PGNB_PASSWORD"; fi; }
write_passfile() (
    umask 077
    printf '%s:%s:*:%s:%s\n' "$(printf '%s' "$2" | escaped)" "$3" "$(printf '%s' "$4" | escaped)" \
        "$(password | escaped)" > "$1"
)
