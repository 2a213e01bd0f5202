# Writes one row every $PGNB_EVERY seconds, each in a transaction of its own, and prints the id of each row once
# its commit was acknowledged. A lost connection is made again at once: that is when the gaps are measured. After
# one (status 2) another server may be behind the name, with a password of its own.
# Its first argument is meter.sh: an idle meter that prints into the same log.
trap 'kill "$client" "$meter" 2>/dev/null; exit 0' TERM INT
shell=$(command -v bash) || shell=sh
"$shell" -c "$1" &
meter=$!
while true; do
    printf 'INSERT INTO heartbeat DEFAULT VALUES RETURNING id \\watch %s\n' "$PGNB_EVERY" |
        "$PGNB_PSQL" --no-psqlrc --quiet --tuples-only --no-align --no-password \
            "application_name=pgnb-writer connect_timeout=2 tcp_user_timeout=2000" &
    client=$!
    wait "$client"
    if [ $? = 2 ] && [ -n "$PGNB_OTHER_PASSWORD" ]; then
        password=$PGPASSWORD
        PGPASSWORD=$PGNB_OTHER_PASSWORD
        PGNB_OTHER_PASSWORD=$password
    fi
    sleep 0.03
done
