# A server on a socket of its own, a bounded load, some commands.
mkfifo log
redis-server --port 0 --unixsocket ./socket --save '' --appendonly no --logfile '' > log &
server=$!
exec 3< log
sh "${0%/*}/until.sh" "ready to accept connections" <&3
redis-benchmark -s ./socket -n 2000 -c 10 -q --csv -t set,get,lpush,incr | cut -d, -f1
for command in "set key value" "get key" "incr counter" "lrange mylist 0 1" "flushall" "dbsize"; do
    redis-cli -s ./socket $command
done
redis-cli -s ./socket shutdown nosave
wait $server
echo "server ended with $?"
