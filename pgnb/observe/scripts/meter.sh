# An idle meter: sleeps 20 ms again and again and prints by how much it overslept, from 20 ms on. That is what the
# machine did, on the clock of the log that the client's rows stand in too. A line every 500 sleeps shows that it
# runs. bash sleeps and reads the clock without a process of its own; another shell calls sleep.
uptime_10ms() { read -r up _ </proc/uptime && now=$((${up%.*} * 100 + 1${up#*.} - 100)); }
if [ -n "${BASH_VERSION-}" ]; then
    nap() { read -r -t 0.02 _; [ $? -gt 128 ]; }
else
    nap() { sleep 0.02; }
fi
sleep 2147483647 | {
    count=0
    uptime_10ms || exit
    before=$now
    while [ "$count" -ge 0 ]; do
        [ $((count % 500)) = 0 ] && echo "meter: sleeps $count"
        nap || exit
        uptime_10ms
        count=$((count + 1))
        [ $((now - before)) -ge 4 ] && echo "meter: overslept $(((now - before - 2) * 10)) ms"
        before=$now
    done
}
