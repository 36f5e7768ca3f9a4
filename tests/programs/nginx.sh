# A server with two workers on a socket of its own, four clients of a hundred requests each.
mkdir -p logs html
seq 1 20000 > html/numbers
cat > nginx.conf <<EOF
worker_processes 2;
error_log stderr crit;
error_log $PWD/log notice;
pid nginx.pid;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    sendfile on;
    server { listen unix:$PWD/socket; root html; }
}
EOF
[ "$(id -u)" = 0 ] && sed -i '1iuser root;' nginx.conf
mkfifo log
# The pipe is the server's until it has ended: who reads it hears of that too.
nginx -p "$PWD" -c nginx.conf -e stderr -g 'daemon off;' 3> log &
server=$!
exec 3< log
sh "${0%/*}/until.sh" "start worker process" <&3
python3 "$1" ./socket
kill -QUIT $server
wait $server
echo "server ended with $?"
