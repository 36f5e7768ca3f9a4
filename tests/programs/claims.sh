# claims.sh WHAT [make]: looks at what a module has claimed, `place` in this folder, as programs do. With `make` there are real
# files first that are as those of the module.
what=$1
make=${2:-}
look() {
    for file; do
        cat "$file"
        stat -c '%n %F %s %a' "$file"
    done 2>&1
}
case $what in
confirm)
    [ "$make" ] && (cd place; echo one.v >one.v; echo two.v >two.v; chmod 444 ?*.v)
    look place/one.v place/kept place/three.v
    cd place || exit
    look two.v real/../one.v real/two.v
    echo more >>kept
    cat kept
    ln -s one.v link
    look link
    mv kept moved
    look moved kept
    mkdir sub
    (cd sub; look ../one.v; cat <../two.v)
    { dd bs=2 count=1; dd bs=1 count=1; cat; } <one.v 2>/dev/null
    [ -w moved ] && echo writes
    head -c 3 one.v two.v
    # Not the module's, but what lies there is real.
    rmdir sub real; ls -d sub real moved 2>&1
    ;;
negative)
    [ "$make" ] && (cd place; rm kept; echo one.v >one.v; echo two.v >two.v; chmod 444 ./*.v)
    ls place; find place -type f | sort
    look place/one.v place/real/kept place/three.v place/real/three.v
    echo new >place/real/new
    look place/real/new place/real/../two.v
    cd place/real || exit
    ls; pwd; cat kept ../one.v
    ln -s ../two.v link; look link
    cd ..
    ls; pwd; cat real/new
    mv real/kept real/other; rm real/new; ls real
    mkdir -p real/a/b; echo deep >real/a/b/c; cat real/a/b/../b/c
    { dd bs=2 count=1; dd bs=1 count=1; cat; } <two.v 2>/dev/null
    ;;
numbers)
    [ "$make" ] && { echo >place; echo 1 >place1; echo 12 >place12; chmod 444 place*; }
    : >placex
    look place place1 place12 place123 placex place1x place1/x
    exec 3<place12
    read -r line <&3
    echo "$line"; cat <&3; cat /proc/self/fd/3
    exec 3<&-
    ;;
rows)
    [ "$make" ] && (cd place; i=0; while [ $i -lt 500 ]; do : >row-$(printf %03d $i); i=$((i + 1)); done; chmod 444 row-*)
    ls -a place | cksum
    ls -f place | sort | cksum
    find place -name 'row-*99' | sort
    stat -c '%n %F %a' place place/row-007 place/row-499 place/row-500 place/row-07 2>&1
    cd place || exit
    echo row-00? row-49[5-9]
    ;;
esac
:
