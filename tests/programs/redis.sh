# A server on a socket of its own, a bounded load, some commands.
redis-server --port 0 --unixsocket ./socket --save '' --appendonly no --logfile ./log &
server=$!
tries=0
until redis-cli -s ./socket ping > ready 2>&1 && grep -q PONG ready; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || exit 1
    sleep 0.1
done
redis-benchmark -s ./socket -n 2000 -c 10 -q --csv -t set,get,lpush,incr | cut -d, -f1
for command in "set key value" "get key" "incr counter" "lrange mylist 0 1" "flushall" "dbsize"; do
    redis-cli -s ./socket $command
done
redis-cli -s ./socket shutdown nosave
wait $server
echo "server ended with $?"
