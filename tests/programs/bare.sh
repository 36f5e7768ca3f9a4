#!/bin/sh
# bare.sh FOLDER PROGRAM [ARG]...: inside a bwrap with CAP_SYS_ADMIN, covers /tmp with a file system
# that nothing can be executed from, but for FOLDER below it.
set -e
folder=$1
shift
mount -n --bind "$folder" /mnt
mount -n -t tmpfs -o noexec tmpfs /tmp
mkdir -p "$folder"
mount -n --move /mnt "$folder"
mount -n -o remount,bind,ro "$folder"
cd "$folder"
exec "$@"
