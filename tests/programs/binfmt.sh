#!/bin/sh
# binfmt.sh FLAGS INTERPRETER PROGRAM [ARG]...: in a user namespace, makes the kernel run files that
# begin with VTEST by INTERPRETER (Documentation/admin-guide/binfmt-misc.rst).
set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf ':vtest:M::VTEST::%s:%s' "$2" "$1" > /proc/sys/fs/binfmt_misc/register
shift 2
exec "$@"
