#!/bin/sh
# pack.sh PROGRAM PAYLOAD OUTPUT: puts PAYLOAD behind PROGRAM, with the tail that selfextract.c reads.
set -e
cat "$1" "$2" > "$3"
length=$(wc -c < "$2")
number=$length
for byte in 1 2 3 4 5 6 7 8; do
    printf "\\$(printf %03o $((number % 256)))" >> "$3"
    number=$((number / 256))
done
printf 'PAYLOAD!' >> "$3"
chmod 755 "$3"
