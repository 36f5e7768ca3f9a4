# What scripts do; run by every shell.
set -u
fib() {
    if [ "$1" -lt 2 ]; then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi
}
fib 7
i=0
while [ $i -lt 20 ]; do
    i=$((i + 1))
    /bin/true || echo "true failed"
    /bin/false && echo "false worked"
done
echo "looped $i times"
seq 1 1000 | sort -r | sort -n | tail -1
cat <<EOF | tr a-z A-Z
here is a document
EOF
trap 'echo "trapped $?"' USR1
kill -USR1 $$
(exit 3)
echo "status $?"
(kill -TERM $(sh -c 'echo $PPID')) 2>/dev/null
echo "status $?"
/bin/true &
wait $!
echo "waited $?"
for job in 3 1 2; do
    (/bin/true; echo "job $job" > "job$job") &
done
wait
cat job*
set -- a "b c" d
echo "$# $2"
read -r first rest <<EOF
one two three
EOF
echo "$first/$rest"
mkdir -p some/folder
echo text > some/folder/file
cd some/folder && pwd | sed 's|.*/run/||' && cd - > /dev/null
ls -l some/folder/file | cut -c1-10
find . -name 'job*' -exec rm {} +
ls
no-such-command 2>/dev/null
echo "missing $?"
trap 'echo leaving' EXIT
exec 3> through-a-descriptor
echo written >&3
exec 3>&-
cat through-a-descriptor
exit 5
