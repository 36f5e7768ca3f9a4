//! `--help`, `--version`.

/// `vload --version`.
pub const VERSION: &str = concat!("vload ", env!("CARGO_PKG_VERSION"), "\n");

/// `vload --help`.
pub const TEXT: &str = "\
Usage: vload [OPTIONS] [--] PROGRAM [ARG]...
       vload run [OPTIONS] [--] PROGRAM [ARG]...
       vload trace [-c] [-o FILE] [OPTIONS] [--] PROGRAM [ARG]...
       vload check [--json] [--count] [--needed] [OPTIONS] [--] FILE...
       vload doctor [--json]
       vload insmod NAME|FILE [KEY=VALUE]...
       vload rmmod NAME...
       vload lsmod [--json]
       vload mount -t TYPE [-o OPTIONS] SOURCE TARGET
       vload umount TARGET...
       vload new NAME --lang rust|c
       vload cflags
       vload bisect [--json] [--status] [--timeout SECONDS] [OPTIONS] [--] PROGRAM [ARG]...

Runs PROGRAM, and every program it starts, with all their system calls passing
through vload, inside their own processes. A PROGRAM without a slash is looked
up in PATH. vload becomes the program: same process, same exit status.

trace: print one line for each system call, on standard error
  -c               count calls, errors and time instead; a table at the end
  -o FILE          write to FILE instead of standard error
  --vdso           let the functions of the vDSO (clock_gettime and its likes, which
                   need no kernel) be calls too
  -f               accepted for strace's sake: children are always followed

check: list where FILE, its interpreter and its interp enter the kernel, and what
a run makes of each place: patched, watched or not seen; nothing is executed
  --needed         look at the libraries that FILE needs too
  --count          print the numbers without the addresses
  --json           print JSON

Options:
  -m, --module NAME[:KEY=VALUE,...]
                       put a layer of module NAME over the layers before it;
                       a backslash escapes , : =
                       a NAME with a slash is a file; others are looked for as
                       NAME.so in ~/.local/share/vload/modules, in ../lib/vload
                       beside vload, and in vload's own folder; built in are:
                       forward: takes every call and hands it on unchanged
                       count[:file=FILE]: counts the calls of every process,
                       in a table at the end on standard error or in FILE

doctor: say what this machine and sandbox allow, what that means for coverage, and
how it can be changed
  --json           print JSON

insmod, rmmod, lsmod: in a session ('vload sh'), load a module for all its
processes from their next call on, remove the newest of that name, list them
  --json           print JSON

mount, umount: in a session, as mount(8) and umount(8), for types that modules have too

new: write a module in a folder NAME, with what builds it and its test
  --lang LANGUAGE  rust (built by cargo) or c (by make)

cflags: print what a C compiler is told to make a module of a file

bisect: run PROGRAM natively, under vload, and with ever less of vload, and print
the smallest set of layers and sites that makes its exit status or output differ;
PROGRAM must do the same each time, and reads a copy of standard input
  --status         compare the exit status alone
  --timeout SECONDS  what has not ended by then hangs (the default: ten times as
                   long as natively, at least 10)
  --json           print JSON

Options that find a fault:
  --log FILE[:LEVEL]   write what vload does to FILE; LEVEL is error, warn,
                       info (the default) or debug
  --shapes SET         ways of patching that may be used, a list of direct,
                       mov, pad, before, after, pun, trap; 'trap' always fits
  --skip FILE[:SITE]   leave FILE, or its site at hexadecimal address SITE,
                       unpatched
  --watch WHEN         watch code that cannot be proven: auto (the default,
                       when such code is mapped), always or never
  --plain NAME         run programs called NAME natively
  --no-cache           keep nothing on disk of what was learned about files

  -h, --help           print this text
  -V, --version        print the version

Exit status: PROGRAM's; 125 when vload's own options are wrong, 126 when
PROGRAM cannot be executed, 127 when it is not found. Of check: 0 when a run sees
every call, 1 when it does not, 126 or 127 when a FILE cannot be judged.
Of doctor: 1 when something is missing without which calls are not seen. Of bisect:
0 when there is no difference, 1 when there is, 2 when runs contradict one another.
";
