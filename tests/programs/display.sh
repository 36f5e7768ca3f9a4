# display.sh COMMAND [ARG]...: runs a command on an X server of its own.
mkfifo number
Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp 3> number 2> /dev/null &
server=$!
read -r display < number || { echo "no X server"; exit 1; }
DISPLAY=:$display "$@"
status=$?
kill $server
wait $server
echo "the server ended with $?"
exit $status
