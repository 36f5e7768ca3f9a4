# A server with two workers on a socket of its own, four clients of a hundred requests each.
mkdir -p logs html
seq 1 20000 > html/numbers
cat > nginx.conf <<EOF
worker_processes 2;
error_log stderr crit;
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
nginx -p "$PWD" -c nginx.conf -e stderr -g 'daemon off;' &
server=$!
tries=0
until [ -S socket ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || exit 1
    sleep 0.1
done
python3 "$1" ./socket
kill -QUIT $server
wait $server
echo "server ended with $?"
