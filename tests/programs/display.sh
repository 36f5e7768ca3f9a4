# display.sh COMMAND [ARG]...: runs a command on an X server of its own.
Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp 3> number 2> /dev/null &
server=$!
tries=0
until [ -s number ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || { echo "no X server"; exit 1; }
    sleep 0.1
done
DISPLAY=:$(cat number) "$@"
status=$?
kill $server
wait $server
echo "the server ended with $?"
exit $status
