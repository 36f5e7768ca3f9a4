# shared.sh VLOAD [OPTION]...: two processes of one session, seen from outside. For each: the files of vload's
# making that its text comes from, the kilobytes of its text that are its own pages, and the mappings that are
# writable and executable.
mkfifo to1 from1 to2 from2
"$@" sh -c 'cat <to1 >from1 & echo $! $$ >pids; exec cat <to2 >from2' &
exec 3>to1 4<from1 5>to2 6<from2
# What has copied a line is there.
echo line >&3
read -r line <&4
echo line >&5
read -r line <&6
for pid in $(cat pids); do
    echo "files" $(awk -v vload="$1" '$2 ~ /x/ && $6 ~ /^\// && $6 !~ /^\/(usr|lib)/ && $6 != vload {
        print $4 ":" $5 }' /proc/$pid/maps | sort -u)
    awk '/^[0-9a-f]+-[0-9a-f]+ / { text = $2 ~ /x/; both += $2 ~ /wx/ }
         text && /^Anonymous:/ { own += $2 }
         END { print "own", own + 0; print "both", both + 0 }' /proc/$pid/smaps
done
exec 3>&- 5>&-
wait
