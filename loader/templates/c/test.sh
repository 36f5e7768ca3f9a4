#!/bin/sh
# What programs see of the module; 'make check' runs it.
set -eu
vload=${VLOAD:-vload}

expect() {
    if [ "$2" != "$3" ]; then
        echo "$1: '$2' and not '$3'" >&2
        exit 1
    fi
}

expect 'the file' "$("$vload" -m ./@NAME@.so cat /@NAME@)" 'Hello from @NAME@!'
expect 'with an argument' "$("$vload" -m ./@NAME@.so:text=morning cat /@NAME@)" 'morning'
expect 'its length' "$("$vload" -m ./@NAME@.so:text=morning stat -c %s /@NAME@)" '8'
expect 'a writer' "$("$vload" -m ./@NAME@.so sh -c '(echo >>/@NAME@) 2>/dev/null || echo refused')" 'refused'
expect 'outside' "$(cat /@NAME@ 2>/dev/null || echo none)" 'none'
echo '@NAME@: passed'
