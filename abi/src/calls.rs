//! The rows: every system call of Linux up to 6.18, and nothing but their description.
//!
//! A row reads `name  x86-64 i386 aarch64 riscv64  (arguments) -> result as Service;` where `-`
//! says that the architecture has no such call, the result is [`Returns::Int`] when none is
//! given, and a call that has no [`Service`] is not offered to modules as one. A name stands in
//! two rows where architectures disagree on the arguments. Sources:
//! `arch/x86/entry/syscalls/syscall_{64,32}.tbl`, `scripts/syscall.tbl`,
//! `include/linux/syscalls.h`; the arguments of calls that 32-bit machines take in two registers
//! are `arch/x86/kernel/sys_ia32.c`'s.

use super::Service;
use super::compact::{NO_NUMBER, Row};
use super::kind::{Arg::*, Returns};
use super::structs::Struct::*;

macro_rules! number {
    (-) => {
        NO_NUMBER
    };
    ($number:literal) => {
        $number
    };
}

macro_rules! returns {
    () => {
        Returns::Int
    };
    ($returns:ident) => {
        Returns::$returns
    };
}

macro_rules! service {
    () => {
        None
    };
    ($service:ident) => {
        Some(Service::$service)
    };
}

macro_rules! calls {
    ($(
        $name:ident $x86_64:tt $i386:tt $aarch64:tt $riscv64:tt ($($arg:expr),*)
        $(-> $returns:ident)? $(as $service:ident)?;
    )*) => {
        pub(super) const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            numbers: [number!($x86_64), number!($i386), number!($aarch64), number!($riscv64)],
            args: &[$($arg),*],
            text: stringify!($($arg),*),
            returns: returns!($($returns)?),
            service: service!($($service)?),
        }),*];
    };
}

calls! {
    // Files: descriptors and data
    read                           0   3  63  63  (Fd, BufOut(2), Size) -> Size as Read;
    write                          1   4  64  64  (Fd, BufIn(2), Size) -> Size as Write;
    open                           2   5   -   -  (Path, OpenFlags, Mode) -> Fd as Open;
    close                          3   6  57  57  (Fd) as Close;
    openat                       257 295  56  56  (DirFd, PathAt(0), OpenFlags, Mode) -> Fd as Open;
    openat2                      437 437 437 437  (DirFd, PathAt(0), BufIn(3), Size) -> Fd as Open;
    creat                         85   8   -   -  (Path, Mode) -> Fd as Open;
    open_by_handle_at            304 342 265 265  (Fd, In(FileHandle), OpenFlags) -> Fd as Open;
    name_to_handle_at            303 341 264 264  (DirFd, PathAt(0), InOut(FileHandle), Out(CInt), AtFlags);
    close_range                  436 436 436 436  (Unsigned, Unsigned, Flags);
    lseek                          8  19  62  62  (Fd, Offset, Command) -> Offset as Lseek;
    _llseek                        - 140   -   -  (Fd, OffsetHigh, OffsetLow, Out(Loff), Command) as Lseek;
    pread64                       17   -  67  67  (Fd, BufOut(2), Size, Offset) -> Size as Pread;
    pread64                        - 180   -   -  (Fd, BufOut(2), Size, OffsetLow, OffsetHigh) -> Size as Pread;
    pwrite64                      18   -  68  68  (Fd, BufIn(2), Size, Offset) -> Size as Pwrite;
    pwrite64                       - 181   -   -  (Fd, BufIn(2), Size, OffsetLow, OffsetHigh) -> Size as Pwrite;
    readv                         19 145  65  65  (Fd, IovOut(2), Size) -> Size as Read;
    writev                        20 146  66  66  (Fd, IovIn(2), Size) -> Size as Write;
    preadv                       295 333  69  69  (Fd, IovOut(2), Size, OffsetLow, OffsetHigh) -> Size as Pread;
    pwritev                      296 334  70  70  (Fd, IovIn(2), Size, OffsetLow, OffsetHigh) -> Size as Pwrite;
    preadv2                      327 378 286 286  (Fd, IovOut(2), Size, OffsetLow, OffsetHigh, Flags) -> Size as Pread;
    pwritev2                     328 379 287 287  (Fd, IovIn(2), Size, OffsetLow, OffsetHigh, Flags) -> Size as Pwrite;
    sendfile                      40 187  71  71  (Fd, Fd, InOut(Word), Size) -> Size;
    sendfile64                     - 239   -   -  (Fd, Fd, InOut(Loff), Size) -> Size;
    copy_file_range              326 377 285 285  (Fd, InOut(Loff), Fd, InOut(Loff), Size, Flags) -> Size;
    splice                       275 313  76  76  (Fd, InOut(Loff), Fd, InOut(Loff), Size, Flags) -> Size;
    tee                          276 315  77  77  (Fd, Fd, Size, Flags) -> Size;
    vmsplice                     278 316  75  75  (Fd, IovIn(2), Size, Flags) -> Size;
    dup                           32  41  23  23  (Fd) -> Fd as Dup;
    dup2                          33  63   -   -  (Fd, Fd) -> Fd as Dup;
    dup3                         292 330  24  24  (Fd, Fd, Flags) -> Fd as Dup;
    fcntl                         72  55  25  25  (Fd, Command, Value) as Fcntl;
    fcntl64                        - 221   -   -  (Fd, Command, Value) as Fcntl;
    ioctl                         16  54  29  29  (Fd, Request, Value) as Ioctl;
    flock                         73 143  32  32  (Fd, Command) as Flock;
    fsync                         74 118  82  82  (Fd) as Fsync;
    fdatasync                     75 148  83  83  (Fd) as Fsync;
    sync_file_range              277   -  84  84  (Fd, Offset, Offset, Flags) as Fsync;
    sync_file_range                - 314   -   -  (Fd, OffsetLow, OffsetHigh, OffsetLow, OffsetHigh, Flags) as Fsync;
    syncfs                       306 344 267 267  (Fd);
    sync                         162  36  81  81  ();
    truncate                      76  92  45  45  (Path, Offset) as Truncate;
    ftruncate                     77  93  46  46  (Fd, Offset) as Truncate;
    truncate64                     - 193   -   -  (Path, OffsetLow, OffsetHigh) as Truncate;
    ftruncate64                    - 194   -   -  (Fd, OffsetLow, OffsetHigh) as Truncate;
    fallocate                    285   -  47  47  (Fd, Flags, Offset, Offset) as Fallocate;
    fallocate                      - 324   -   -  (Fd, Flags, OffsetLow, OffsetHigh, OffsetLow, OffsetHigh) as Fallocate;
    fadvise64                    221   - 223 223  (Fd, Offset, Size, Command);
    fadvise64                      - 250   -   -  (Fd, OffsetLow, OffsetHigh, Size, Command);
    fadvise64_64                   - 272   -   -  (Fd, OffsetLow, OffsetHigh, OffsetLow, OffsetHigh, Command);
    readahead                    187   - 213 213  (Fd, Offset, Size);
    readahead                      - 225   -   -  (Fd, OffsetLow, OffsetHigh, Size);
    cachestat                    451 451 451 451  (Fd, In(CachestatRange), Out(Cachestat), Flags);
    pipe                          22  42   -   -  (FdsOut) as Pipe;
    pipe2                        293 331  59  59  (FdsOut, Flags) as Pipe;
    memfd_create                 319 356 279 279  (Str, Flags) -> Fd;
    memfd_secret                 447 447 447 447  (Flags) -> Fd;

    // Files: names and attributes
    stat                           4 106   -   -  (Path, Out(Stat)) as Stat;
    lstat                          6 107   -   -  (Path, Out(Stat)) as Stat;
    fstat                          5 108  80  80  (Fd, Out(Stat)) as Stat;
    newfstatat                   262   -  79  79  (DirFd, PathAt(0), Out(Stat), AtFlags) as Stat;
    statx                        332 383 291 291  (DirFd, PathAt(0), AtFlags, Flags, Out(Statx)) as Stat;
    stat64                         - 195   -   -  (Path, Out(Stat64)) as Stat;
    lstat64                        - 196   -   -  (Path, Out(Stat64)) as Stat;
    fstat64                        - 197   -   -  (Fd, Out(Stat64)) as Stat;
    fstatat64                      - 300   -   -  (DirFd, PathAt(0), Out(Stat64), AtFlags) as Stat;
    oldstat                        -  18   -   -  (Path, Out(OldStat)) as Stat;
    oldlstat                       -  84   -   -  (Path, Out(OldStat)) as Stat;
    oldfstat                       -  28   -   -  (Fd, Out(OldStat)) as Stat;
    access                        21  33   -   -  (Path, Mode) as Access;
    faccessat                    269 307  48  48  (DirFd, PathAt(0), Mode) as Access;
    faccessat2                   439 439 439 439  (DirFd, PathAt(0), Mode, AtFlags) as Access;
    readlink                      89  85   -   -  (Path, BufOut(2), Size) -> Size as Readlink;
    readlinkat                   267 305  78  78  (DirFd, PathAt(0), BufOut(3), Size) -> Size as Readlink;
    rename                        82  38   -   -  (Path, Path) as Rename;
    renameat                     264 302  38   -  (DirFd, PathAt(0), DirFd, PathAt(2)) as Rename;
    renameat2                    316 353 276 276  (DirFd, PathAt(0), DirFd, PathAt(2), Flags) as Rename;
    link                          86   9   -   -  (Path, Path) as Link;
    linkat                       265 303  37  37  (DirFd, PathAt(0), DirFd, PathAt(2), AtFlags) as Link;
    symlink                       88  83   -   -  (Str, Path) as Symlink;
    symlinkat                    266 304  36  36  (Str, DirFd, PathAt(1)) as Symlink;
    unlink                        87  10   -   -  (Path) as Unlink;
    unlinkat                     263 301  35  35  (DirFd, PathAt(0), AtFlags) as Unlink;
    mkdir                         83  39   -   -  (Path, Mode) as Mkdir;
    mkdirat                      258 296  34  34  (DirFd, PathAt(0), Mode) as Mkdir;
    rmdir                         84  40   -   -  (Path) as Rmdir;
    mknod                        133  14   -   -  (Path, Mode, Dev) as Mknod;
    mknodat                      259 297  33  33  (DirFd, PathAt(0), Mode, Dev) as Mknod;
    chmod                         90  15   -   -  (Path, Mode) as Chmod;
    fchmod                        91  94  52  52  (Fd, Mode) as Chmod;
    fchmodat                     268 306  53  53  (DirFd, PathAt(0), Mode) as Chmod;
    fchmodat2                    452 452 452 452  (DirFd, PathAt(0), Mode, AtFlags) as Chmod;
    chown                         92 182   -   -  (Path, Id, Id) as Chown;
    fchown                        93  95  55  55  (Fd, Id, Id) as Chown;
    lchown                        94  16   -   -  (Path, Id, Id) as Chown;
    fchownat                     260 298  54  54  (DirFd, PathAt(0), Id, Id, AtFlags) as Chown;
    chown32                        - 212   -   -  (Path, Id, Id) as Chown;
    fchown32                       - 207   -   -  (Fd, Id, Id) as Chown;
    lchown32                       - 198   -   -  (Path, Id, Id) as Chown;
    utime                        132  30   -   -  (Path, In(Utimbuf)) as Utimens;
    utimes                       235 271   -   -  (Path, In(TimevalPair)) as Utimens;
    futimesat                    261 299   -   -  (DirFd, PathAt(0), In(TimevalPair)) as Utimens;
    utimensat                    280 320  88  88  (DirFd, PathAt(0), In(TimespecPair), AtFlags) as Utimens;
    utimensat_time64               - 412   -   -  (DirFd, PathAt(0), In(Timespec64Pair), AtFlags) as Utimens;
    getdents                      78 141   -   -  (Fd, BufOut(2), Size) -> Size as Getdents;
    getdents64                   217 220  61  61  (Fd, BufOut(2), Size) -> Size as Getdents;
    readdir                        -  89   -   -  (Fd, Out(OldDirent), Size) as Getdents;
    statfs                       137  99  43  43  (Path, Out(Statfs)) as Statfs;
    fstatfs                      138 100  44  44  (Fd, Out(Statfs)) as Statfs;
    statfs64                       - 268   -   -  (Path, Size, Out(Statfs64)) as Statfs;
    fstatfs64                      - 269   -   -  (Fd, Size, Out(Statfs64)) as Statfs;
    ustat                        136  62   -   -  (Dev, Out(Ustat));
    umask                         95  60 166 166  (Mode) -> Mode;
    getcwd                        79 183  17  17  (BufOut(1), Size) -> Size as Getcwd;
    chdir                         80  12  49  49  (Path) as Chdir;
    fchdir                        81 133  50  50  (Fd) as Chdir;
    chroot                       161  61  51  51  (Path) as Chroot;
    setxattr                     188 226   5   5  (Path, Str, BufIn(3), Size, Flags) as Setxattr;
    lsetxattr                    189 227   6   6  (Path, Str, BufIn(3), Size, Flags) as Setxattr;
    fsetxattr                    190 228   7   7  (Fd, Str, BufIn(3), Size, Flags) as Setxattr;
    setxattrat                   463 463 463 463  (DirFd, PathAt(0), AtFlags, Str, BufIn(5), Size) as Setxattr;
    getxattr                     191 229   8   8  (Path, Str, BufOut(3), Size) -> Size as Getxattr;
    lgetxattr                    192 230   9   9  (Path, Str, BufOut(3), Size) -> Size as Getxattr;
    fgetxattr                    193 231  10  10  (Fd, Str, BufOut(3), Size) -> Size as Getxattr;
    getxattrat                   464 464 464 464  (DirFd, PathAt(0), AtFlags, Str, BufInOut(5), Size) -> Size as Getxattr;
    listxattr                    194 232  11  11  (Path, BufOut(2), Size) -> Size as Listxattr;
    llistxattr                   195 233  12  12  (Path, BufOut(2), Size) -> Size as Listxattr;
    flistxattr                   196 234  13  13  (Fd, BufOut(2), Size) -> Size as Listxattr;
    listxattrat                  465 465 465 465  (DirFd, PathAt(0), AtFlags, BufOut(4), Size) -> Size as Listxattr;
    removexattr                  197 235  14  14  (Path, Str) as Removexattr;
    lremovexattr                 198 236  15  15  (Path, Str) as Removexattr;
    fremovexattr                 199 237  16  16  (Fd, Str) as Removexattr;
    removexattrat                466 466 466 466  (DirFd, PathAt(0), AtFlags, Str) as Removexattr;
    file_getattr                 468 468 468 468  (DirFd, PathAt(0), BufOut(3), Size, AtFlags);
    file_setattr                 469 469 469 469  (DirFd, PathAt(0), BufIn(3), Size, AtFlags);
    lookup_dcookie               212   -  18  18  (Value, BufOut(2), Size) -> Size;
    lookup_dcookie                 - 253   -   -  (Value, Value, BufOut(3), Size) -> Size;
    inotify_init                 253 291   -   -  () -> Fd;
    inotify_init1                294 332  26  26  (Flags) -> Fd;
    inotify_add_watch            254 292  27  27  (Fd, Path, Flags);
    inotify_rm_watch             255 293  28  28  (Fd, Int);
    fanotify_init                300 338 262 262  (Flags, OpenFlags) -> Fd;
    fanotify_mark                301   - 263 263  (Fd, Flags, Flags, DirFd, PathAt(3));
    fanotify_mark                  - 339   -   -  (Fd, Flags, Flags, Flags, DirFd, PathAt(4));

    // Mounts
    mount                        165  21  40  40  (Path, Path, Str, Flags, Ptr) as Mount;
    umount                         -  22   -   -  (Path) as Umount;
    umount2                      166  52  39  39  (Path, Flags) as Umount;
    pivot_root                   155 217  41  41  (Path, Path);
    open_tree                    428 428 428 428  (DirFd, PathAt(0), AtFlags) -> Fd as Open;
    open_tree_attr               467 467 467 467  (DirFd, PathAt(0), Flags, BufIn(4), Size) -> Fd;
    move_mount                   429 429 429 429  (DirFd, PathAt(0), DirFd, PathAt(2), Flags);
    fsopen                       430 430 430 430  (Str, Flags) -> Fd;
    fsconfig                     431 431 431 431  (Fd, Command, Str, Ptr, Int);
    fsmount                      432 432 432 432  (Fd, Flags, Flags) -> Fd;
    fspick                       433 433 433 433  (DirFd, PathAt(0), Flags) -> Fd;
    mount_setattr                442 442 442 442  (DirFd, PathAt(0), AtFlags, BufIn(4), Size);
    statmount                    457 457 457 457  (In(MntIdReq), BufOut(2), Size, Flags);
    listmount                    458 458 458 458  (In(MntIdReq), ArrayOut(2, U64), Size, Flags) -> Size;
    swapon                       167  87 224 224  (Path, Flags);
    swapoff                      168 115 225 225  (Path);
    quotactl                     179 131  60  60  (Command, Path, Int, Ptr);
    quotactl_fd                  443 443 443 443  (Fd, Command, Int, Ptr);
    sysfs                        139 135   -   -  (Command, Value, Value);
    acct                         163  51  89  89  (Path);
    nfsservctl                   180 169  42  42  (Command, Ptr, Ptr);

    // Waiting for descriptors
    poll                           7 168   -   -  (ArrayInOut(1, Pollfd), Unsigned, Int) as Poll;
    ppoll                        271 309  73  73  (ArrayInOut(1, Pollfd), Unsigned, InOut(Timespec), SigSetIn(4), Size) as Poll;
    ppoll_time64                   - 414   -   -  (ArrayInOut(1, Pollfd), Unsigned, InOut(Timespec64), SigSetIn(4), Size) as Poll;
    select                        23   -   -   -  (Int, InOut(FdSet), InOut(FdSet), InOut(FdSet), InOut(Timeval)) as Poll;
    select                         -  82   -   -  (In(SelectArgs)) as Poll;
    _newselect                     - 142   -   -  (Int, InOut(FdSet), InOut(FdSet), InOut(FdSet), InOut(Timeval)) as Poll;
    pselect6                     270 308  72  72  (Int, InOut(FdSet), InOut(FdSet), InOut(FdSet), InOut(Timespec), In(SigsetArg)) as Poll;
    pselect6_time64                - 413   -   -  (Int, InOut(FdSet), InOut(FdSet), InOut(FdSet), InOut(Timespec64), In(SigsetArg)) as Poll;
    epoll_create                 213 254   -   -  (Int) -> Fd as EpollCreate;
    epoll_create1                291 329  20  20  (Flags) -> Fd as EpollCreate;
    epoll_ctl                    233 255  21  21  (Fd, Command, Fd, In(EpollEvent)) as EpollCtl;
    epoll_wait                   232 256   -   -  (Fd, ArrayOut(2, EpollEvent), Int, Int) as EpollWait;
    epoll_pwait                  281 319  22  22  (Fd, ArrayOut(2, EpollEvent), Int, Int, SigSetIn(5), Size) as EpollWait;
    epoll_pwait2                 441 441 441 441  (Fd, ArrayOut(2, EpollEvent), Int, In(Timespec64), SigSetIn(5), Size) as EpollWait;
    epoll_ctl_old                214   -   -   -  (Value, Value, Value, Value);
    epoll_wait_old               215   -   -   -  (Value, Value, Value, Value);
    eventfd                      284 323   -   -  (Unsigned) -> Fd;
    eventfd2                     290 328  19  19  (Unsigned, Flags) -> Fd;
    signalfd                     282 321   -   -  (Fd, SigSetIn(2), Size) -> Fd;
    signalfd4                    289 327  74  74  (Fd, SigSetIn(2), Size, Flags) -> Fd;
    timerfd_create               283 322  85  85  (Clock, Flags) -> Fd;
    timerfd_settime              286 325  86  86  (Fd, Flags, In(Itimerspec), Out(Itimerspec));
    timerfd_gettime              287 326  87  87  (Fd, Out(Itimerspec));
    timerfd_settime64              - 411   -   -  (Fd, Flags, In(Itimerspec64), Out(Itimerspec64));
    timerfd_gettime64              - 410   -   -  (Fd, Out(Itimerspec64));
    userfaultfd                  323 374 282 282  (Flags) -> Fd;
    io_setup                     206 245   0   0  (Unsigned, InOut(Word));
    io_destroy                   207 246   1   1  (Value);
    io_submit                    209 248   2   2  (Value, Long, Ptr);
    io_cancel                    210 249   3   3  (Value, In(Iocb), Out(IoEvent));
    io_getevents                 208 247   4   4  (Value, Long, Long, ArrayOut(2, IoEvent), In(Timespec));
    io_pgetevents                333 385 292 292  (Value, Long, Long, ArrayOut(2, IoEvent), In(Timespec), In(SigsetArg));
    io_pgetevents_time64           - 416   -   -  (Value, Long, Long, ArrayOut(2, IoEvent), In(Timespec64), In(SigsetArg));
    io_uring_setup               425 425 425 425  (Unsigned, InOut(IoUringParams)) -> Fd;
    io_uring_enter               426 426 426 426  (Fd, Unsigned, Unsigned, Flags, Ptr, Size);
    io_uring_register            427 427 427 427  (Fd, Command, Ptr, Unsigned);

    // Sockets
    socket                        41 359 198 198  (Command, Int, Int) -> Fd as Socket;
    socketpair                    53 360 199 199  (Command, Int, Int, FdsOut) as Socketpair;
    bind                          49 361 200 200  (Fd, SockAddrIn(2), Unsigned) as Bind;
    connect                       42 362 203 203  (Fd, SockAddrIn(2), Unsigned) as Connect;
    listen                        50 363 201 201  (Fd, Int) as Listen;
    accept                        43   - 202 202  (Fd, SockAddrOut(2), InOut(CInt)) -> Fd as Accept;
    accept4                      288 364 242 242  (Fd, SockAddrOut(2), InOut(CInt), Flags) -> Fd as Accept;
    getsockname                   51 367 204 204  (Fd, SockAddrOut(2), InOut(CInt)) as Getsockname;
    getpeername                   52 368 205 205  (Fd, SockAddrOut(2), InOut(CInt)) as Getpeername;
    sendto                        44 369 206 206  (Fd, BufIn(2), Size, Flags, SockAddrIn(5), Unsigned) -> Size as Send;
    recvfrom                      45 371 207 207  (Fd, BufOut(2), Size, Flags, SockAddrOut(5), InOut(CInt)) -> Size as Recv;
    sendmsg                       46 370 211 211  (Fd, In(Msghdr), Flags) -> Size as Send;
    recvmsg                       47 372 212 212  (Fd, InOut(Msghdr), Flags) -> Size as Recv;
    sendmmsg                     307 345 269 269  (Fd, ArrayInOut(2, Mmsghdr), Unsigned, Flags) as Send;
    recvmmsg                     299 337 243 243  (Fd, ArrayInOut(2, Mmsghdr), Unsigned, Flags, InOut(Timespec)) as Recv;
    recvmmsg_time64                - 417   -   -  (Fd, ArrayInOut(2, Mmsghdr), Unsigned, Flags, InOut(Timespec64)) as Recv;
    shutdown                      48 373 210 210  (Fd, Command) as Shutdown;
    setsockopt                    54 366 208 208  (Fd, Int, Command, BufIn(4), Unsigned) as Setsockopt;
    getsockopt                    55 365 209 209  (Fd, Int, Command, Ptr, InOut(CInt)) as Getsockopt;
    socketcall                     - 102   -   -  (Command, Ptr);

    // Memory
    mmap                           9   - 222 222  (Addr, Size, Prot, MapFlags, Fd, Offset) -> Addr as Mmap;
    mmap                           -  90   -   -  (In(MmapArgs)) -> Addr as Mmap;
    mmap2                          - 192   -   -  (Addr, Size, Prot, MapFlags, Fd, PageOffset) -> Addr as Mmap;
    mprotect                      10 125 226 226  (Addr, Size, Prot) as Mprotect;
    pkey_mprotect                329 380 288 288  (Addr, Size, Prot, Int) as Mprotect;
    pkey_alloc                   330 381 289 289  (Flags, Flags);
    pkey_free                    331 382 290 290  (Int);
    munmap                        11  91 215 215  (Addr, Size) as Munmap;
    brk                           12  45 214 214  (Addr) -> Addr;
    mremap                        25 163 216 216  (Addr, Size, Size, Flags, Addr) -> Addr as Mremap;
    msync                         26 144 227 227  (Addr, Size, Flags);
    mincore                       27 218 232 232  (Addr, Size, Ptr);
    madvise                       28 219 233 233  (Addr, Size, Command);
    process_madvise              440 440 440 440  (Fd, IovIn(2), Size, Command, Flags) -> Size;
    process_mrelease             448 448 448 448  (Fd, Flags);
    mlock                        149 150 228 228  (Addr, Size);
    mlock2                       325 376 284 284  (Addr, Size, Flags);
    munlock                      150 151 229 229  (Addr, Size);
    mlockall                     151 152 230 230  (Flags);
    munlockall                   152 153 231 231  ();
    mseal                        462 462 462 462  (Addr, Size, Flags);
    map_shadow_stack             453 453 453 453  (Addr, Size, Flags) -> Addr;
    remap_file_pages             216 257 234 234  (Addr, Size, Prot, PageOffset, MapFlags);
    mbind                        237 274 235 235  (Addr, Size, Command, Ptr, Size, Flags);
    set_mempolicy                238 276 237 237  (Command, Ptr, Size);
    get_mempolicy                239 275 236 236  (Out(CInt), Ptr, Size, Addr, Flags);
    set_mempolicy_home_node      450 450 450 450  (Addr, Size, Unsigned, Flags);
    migrate_pages                256 294 238 238  (Pid, Size, Ptr, Ptr);
    move_pages                   279 317 239 239  (Pid, Size, ArrayIn(1, Word), ArrayIn(1, CInt), ArrayOut(1, CInt), Flags);
    process_vm_readv             310 347 270 270  (Pid, IovOut(2), Size, Ptr, Size, Flags) -> Size;
    process_vm_writev            311 348 271 271  (Pid, IovIn(2), Size, Ptr, Size, Flags) -> Size;
    membarrier                   324 375 283 283  (Command, Flags, Int);
    modify_ldt                   154 123   -   -  (Command, BufInOut(2), Size);
    set_thread_area              205 243   -   -  (InOut(UserDesc));
    get_thread_area              211 244   -   -  (InOut(UserDesc));
    arch_prctl                   158 384   -   -  (Command, Value);
    iopl                         172 110   -   -  (Int);
    ioperm                       173 101   -   -  (Value, Value, Int);
    vm86old                        - 113   -   -  (Ptr);
    vm86                           - 166   -   -  (Command, Ptr);
    riscv_hwprobe                  -   -   - 258  (ArrayInOut(1, HwprobePair), Size, Size, Ptr, Flags);
    riscv_flush_icache             -   -   - 259  (Addr, Addr, Flags);

    // Processes and threads
    clone                         56   -   -   -  (CloneFlags, Addr, Out(CInt), Out(CInt), Value) -> Pid as Clone;
    clone                          - 120 220 220  (CloneFlags, Addr, Out(CInt), Value, Out(CInt)) -> Pid as Clone;
    clone3                       435 435 435 435  (BufIn(1), Size) -> Pid as Clone;
    fork                          57   2   -   -  () -> Pid as Clone;
    vfork                         58 190   -   -  () -> Pid as Clone;
    execve                        59  11 221 221  (Path, StrVec, StrVec) as Exec;
    execveat                     322 358 281 281  (DirFd, PathAt(0), StrVec, StrVec, AtFlags) as Exec;
    uselib                       134  86   -   -  (Path);
    exit                          60   1  93  93  (Int) -> Never;
    exit_group                   231 252  94  94  (Int) -> Never;
    wait4                         61 114 260 260  (Pid, Out(CInt), Flags, Out(Rusage)) -> Pid as Wait;
    waitpid                        -   7   -   -  (Pid, Out(CInt), Flags) -> Pid as Wait;
    waitid                       247 284  95  95  (Command, Pid, Out(Siginfo), Flags, Out(Rusage)) as Wait;
    getpid                        39  20 172 172  () -> Pid;
    getppid                      110  64 173 173  () -> Pid;
    gettid                       186 224 178 178  () -> Pid;
    getpgid                      121 132 155 155  (Pid) -> Pid;
    getpgrp                      111  65   -   -  () -> Pid;
    setpgid                      109  57 154 154  (Pid, Pid);
    getsid                       124 147 156 156  (Pid) -> Pid;
    setsid                       112  66 157 157  () -> Pid;
    set_tid_address              218 258  96  96  (Ptr) -> Pid;
    set_robust_list              273 311  99  99  (Ptr, Size);
    get_robust_list              274 312 100 100  (Pid, Out(Word), Out(Word));
    rseq                         334 386 293 293  (Ptr, Size, Flags, Value);
    futex                        202 240  98  98  (Futex, Command, Unsigned, Value, Futex, Unsigned);
    futex_time64                   - 422   -   -  (Futex, Command, Unsigned, Value, Futex, Unsigned);
    futex_waitv                  449 449 449 449  (ArrayIn(1, FutexWaitv), Unsigned, Flags, In(Timespec64), Clock);
    futex_wake                   454 454 454 454  (Futex, Value, Int, Flags);
    futex_wait                   455 455 455 455  (Futex, Value, Value, Flags, In(Timespec64), Clock);
    futex_requeue                456 456 456 456  (Ptr, Flags, Int, Int);
    prctl                        157 172 167 167  (Command, Value, Value, Value, Value);
    personality                  135 136  92  92  (Flags);
    ptrace                       101  26 117 117  (Command, Pid, Value, Value);
    kcmp                         312 349 272 272  (Pid, Pid, Command, Value, Value);
    setns                        308 346 268 268  (Fd, CloneFlags);
    unshare                      272 310  97  97  (CloneFlags);
    pidfd_open                   434 434 434 434  (Pid, Flags) -> Fd;
    pidfd_getfd                  438 438 438 438  (Fd, Int, Flags) -> Fd;
    pidfd_send_signal            424 424 424 424  (Fd, Signal, In(Siginfo), Flags);
    getpriority                  140  96 141 141  (Command, Int);
    setpriority                  141  97 140 140  (Command, Int, Int);
    nice                           -  34   -   -  (Int);
    ioprio_set                   251 289  30  30  (Command, Int, Value);
    ioprio_get                   252 290  31  31  (Command, Int);
    sched_yield                   24 158 124 124  ();
    sched_setparam               142 154 118 118  (Pid, In(SchedParam));
    sched_getparam               143 155 121 121  (Pid, Out(SchedParam));
    sched_setscheduler           144 156 119 119  (Pid, Command, In(SchedParam));
    sched_getscheduler           145 157 120 120  (Pid);
    sched_get_priority_max       146 159 125 125  (Command);
    sched_get_priority_min       147 160 126 126  (Command);
    sched_rr_get_interval        148 161 127 127  (Pid, Out(Timespec));
    sched_rr_get_interval_time64   - 423   -   -  (Pid, Out(Timespec64));
    sched_setaffinity            203 241 122 122  (Pid, Size, BufIn(1));
    sched_getaffinity            204 242 123 123  (Pid, Size, BufOut(1)) -> Size;
    sched_setattr                314 351 274 274  (Pid, In(SchedAttr), Flags);
    sched_getattr                315 352 275 275  (Pid, BufOut(2), Size, Flags);
    getcpu                       309 318 168 168  (Out(U32), Out(U32), Ptr);
    getrlimit                     97  76 163 163  (Command, Out(Rlimit));
    ugetrlimit                     - 191   -   -  (Command, Out(Rlimit));
    setrlimit                    160  75 164 164  (Command, In(Rlimit));
    prlimit64                    302 340 261 261  (Pid, Command, In(Rlimit64), Out(Rlimit64));
    getrusage                     98  77 165 165  (Command, Out(Rusage));
    times                        100  43 153 153  (Out(Tms));
    uprobe                       336   -   -   -  ();
    uretprobe                    335   -   -   -  ();
    perf_event_open              298 336 241 241  (In(PerfEventAttr), Pid, Int, Fd, Flags) -> Fd;

    // Signals
    rt_sigaction                  13 174 134 134  (Signal, In(Sigaction), Out(Sigaction), Size);
    rt_sigprocmask                14 175 135 135  (Command, SigSetIn(3), SigSetOut(3), Size);
    rt_sigreturn                  15 173 139 139  ();
    rt_sigpending                127 176 136 136  (SigSetOut(1), Size);
    rt_sigtimedwait              128 177 137 137  (SigSetIn(3), Out(Siginfo), In(Timespec), Size);
    rt_sigtimedwait_time64         - 421   -   -  (SigSetIn(3), Out(Siginfo), In(Timespec64), Size);
    rt_sigqueueinfo              129 178 138 138  (Pid, Signal, In(Siginfo));
    rt_tgsigqueueinfo            297 335 240 240  (Pid, Pid, Signal, In(Siginfo));
    rt_sigsuspend                130 179 133 133  (SigSetIn(1), Size);
    sigaltstack                  131 186 132 132  (In(StackT), Out(StackT));
    kill                          62  37 129 129  (Pid, Signal);
    tkill                        200 238 130 130  (Pid, Signal);
    tgkill                       234 270 131 131  (Pid, Pid, Signal);
    pause                         34  29   -   -  ();
    restart_syscall              219   0 128 128  ();
    signal                         -  48   -   -  (Signal, Addr) -> Addr;
    sigaction                      -  67   -   -  (Signal, In(OldSigaction), Out(OldSigaction));
    sgetmask                       -  68   -   -  ();
    ssetmask                       -  69   -   -  (Flags);
    sigsuspend                     -  72   -   -  (Value, Value, Flags);
    sigpending                     -  73   -   -  (Out(Word));
    sigreturn                      - 119   -   -  ();
    sigprocmask                    - 126   -   -  (Command, In(Word), Out(Word));

    // Time
    time                         201  13   -   -  (Out(Word)) as ClockGet;
    stime                          -  25   -   -  (In(Word)) as ClockSet;
    gettimeofday                  96  78 169 169  (Out(Timeval), Out(Timezone)) as ClockGet;
    settimeofday                 164  79 170 170  (In(Timeval), In(Timezone)) as ClockSet;
    clock_gettime                228 265 113 113  (Clock, Out(Timespec)) as ClockGet;
    clock_gettime64                - 403   -   -  (Clock, Out(Timespec64)) as ClockGet;
    clock_settime                227 264 112 112  (Clock, In(Timespec)) as ClockSet;
    clock_settime64                - 404   -   -  (Clock, In(Timespec64)) as ClockSet;
    clock_getres                 229 266 114 114  (Clock, Out(Timespec)) as ClockGetres;
    clock_getres_time64            - 406   -   -  (Clock, Out(Timespec64)) as ClockGetres;
    clock_nanosleep              230 267 115 115  (Clock, Flags, In(Timespec), Out(Timespec)) as Nanosleep;
    clock_nanosleep_time64         - 407   -   -  (Clock, Flags, In(Timespec64), Out(Timespec64)) as Nanosleep;
    nanosleep                     35 162 101 101  (In(Timespec), Out(Timespec)) as Nanosleep;
    adjtimex                     159 124 171 171  (InOut(Timex)) as ClockAdjtime;
    clock_adjtime                305 343 266 266  (Clock, InOut(Timex)) as ClockAdjtime;
    clock_adjtime64                - 405   -   -  (Clock, InOut(Timex64)) as ClockAdjtime;
    alarm                         37  27   -   -  (Unsigned);
    getitimer                     36 105 102 102  (Command, Out(Itimerval));
    setitimer                     38 104 103 103  (Command, In(Itimerval), Out(Itimerval));
    timer_create                 222 259 107 107  (Clock, In(Sigevent), Out(CInt));
    timer_settime                223 260 110 110  (Int, Flags, In(Itimerspec), Out(Itimerspec));
    timer_settime64                - 409   -   -  (Int, Flags, In(Itimerspec64), Out(Itimerspec64));
    timer_gettime                224 261 108 108  (Int, Out(Itimerspec));
    timer_gettime64                - 408   -   -  (Int, Out(Itimerspec64));
    timer_getoverrun             225 262 109 109  (Int);
    timer_delete                 226 263 111 111  (Int);

    // Identity
    getuid                       102  24 174 174  () -> Id as Getresuid;
    geteuid                      107  49 175 175  () -> Id as Getresuid;
    getgid                       104  47 176 176  () -> Id as Getresgid;
    getegid                      108  50 177 177  () -> Id as Getresgid;
    setuid                       105  23 146 146  (Id) as Setresuid;
    setgid                       106  46 144 144  (Id) as Setresgid;
    setreuid                     113  70 145 145  (Id, Id) as Setresuid;
    setregid                     114  71 143 143  (Id, Id) as Setresgid;
    setresuid                    117 164 147 147  (Id, Id, Id) as Setresuid;
    setresgid                    119 170 149 149  (Id, Id, Id) as Setresgid;
    getresuid                    118   - 148 148  (Out(U32), Out(U32), Out(U32)) as Getresuid;
    getresuid                      - 165   -   -  (Out(U16), Out(U16), Out(U16)) as Getresuid;
    getresgid                    120   - 150 150  (Out(U32), Out(U32), Out(U32)) as Getresgid;
    getresgid                      - 171   -   -  (Out(U16), Out(U16), Out(U16)) as Getresgid;
    setfsuid                     122 138 151 151  (Id) as Setfsuid;
    setfsgid                     123 139 152 152  (Id) as Setfsgid;
    getgroups                    115   - 158 158  (Int, ArrayOut(0, U32)) as Getgroups;
    getgroups                      -  80   -   -  (Int, ArrayOut(0, U16)) as Getgroups;
    setgroups                    116   - 159 159  (Int, ArrayIn(0, U32)) as Setgroups;
    setgroups                      -  81   -   -  (Int, ArrayIn(0, U16)) as Setgroups;
    getuid32                       - 199   -   -  () -> Id as Getresuid;
    geteuid32                      - 201   -   -  () -> Id as Getresuid;
    getgid32                       - 200   -   -  () -> Id as Getresgid;
    getegid32                      - 202   -   -  () -> Id as Getresgid;
    setuid32                       - 213   -   -  (Id) as Setresuid;
    setgid32                       - 214   -   -  (Id) as Setresgid;
    setreuid32                     - 203   -   -  (Id, Id) as Setresuid;
    setregid32                     - 204   -   -  (Id, Id) as Setresgid;
    setresuid32                    - 208   -   -  (Id, Id, Id) as Setresuid;
    setresgid32                    - 210   -   -  (Id, Id, Id) as Setresgid;
    getresuid32                    - 209   -   -  (Out(U32), Out(U32), Out(U32)) as Getresuid;
    getresgid32                    - 211   -   -  (Out(U32), Out(U32), Out(U32)) as Getresgid;
    setfsuid32                     - 215   -   -  (Id) as Setfsuid;
    setfsgid32                     - 216   -   -  (Id) as Setfsgid;
    getgroups32                    - 205   -   -  (Int, ArrayOut(0, U32)) as Getgroups;
    setgroups32                    - 206   -   -  (Int, ArrayIn(0, U32)) as Setgroups;
    capget                       125 184  90  90  (InOut(CapHeader), Out(CapData));
    capset                       126 185  91  91  (In(CapHeader), In(CapData));
    add_key                      248 286 217 217  (Str, Str, BufIn(3), Size, Int);
    request_key                  249 287 218 218  (Str, Str, Str, Int);
    keyctl                       250 288 219 219  (Command, Value, Value, Value, Value);
    seccomp                      317 354 277 277  (Command, Flags, Ptr);
    landlock_create_ruleset      444 444 444 444  (BufIn(1), Size, Flags);
    landlock_add_rule            445 445 445 445  (Fd, Command, Ptr, Flags);
    landlock_restrict_self       446 446 446 446  (Fd, Flags);
    lsm_get_self_attr            459 459 459 459  (Command, Ptr, InOut(U32), Flags);
    lsm_set_self_attr            460 460 460 460  (Command, BufIn(2), Size, Flags);
    lsm_list_modules             461 461 461 461  (Ptr, InOut(U32), Flags);

    // System V and POSIX messages, semaphores, shared memory
    shmget                        29 395 194 194  (Int, Size, Flags);
    shmat                         30 397 196 196  (Int, Addr, Flags) -> Addr as Shmat;
    shmctl                        31 396 195 195  (Int, Command, InOut(ShmidDs));
    shmdt                         67 398 197 197  (Addr) as Munmap;
    semget                        64 393 190 190  (Int, Int, Flags);
    semop                         65   - 193 193  (Int, ArrayIn(2, Sembuf), Size);
    semtimedop                   220   - 192 192  (Int, ArrayIn(2, Sembuf), Size, In(Timespec));
    semtimedop_time64              - 420   -   -  (Int, ArrayIn(2, Sembuf), Size, In(Timespec64));
    semctl                        66 394 191 191  (Int, Int, Command, Value);
    msgget                        68 399 186 186  (Int, Flags);
    msgsnd                        69 400 189 189  (Int, In(Msgbuf), Size, Flags);
    msgrcv                        70 401 188 188  (Int, Out(Msgbuf), Size, Long, Flags) -> Size;
    msgctl                        71 402 187 187  (Int, Command, InOut(MsqidDs));
    ipc                            - 117   -   -  (Command, Int, Value, Value, Ptr, Value);
    mq_open                      240 277 180 180  (Str, OpenFlags, Mode, In(MqAttr)) -> Fd;
    mq_unlink                    241 278 181 181  (Str);
    mq_timedsend                 242 279 182 182  (Fd, BufIn(2), Size, Unsigned, In(Timespec));
    mq_timedsend_time64            - 418   -   -  (Fd, BufIn(2), Size, Unsigned, In(Timespec64));
    mq_timedreceive              243 280 183 183  (Fd, BufOut(2), Size, Out(U32), In(Timespec)) -> Size;
    mq_timedreceive_time64         - 419   -   -  (Fd, BufOut(2), Size, Out(U32), In(Timespec64)) -> Size;
    mq_notify                    244 281 184 184  (Fd, In(Sigevent));
    mq_getsetattr                245 282 185 185  (Fd, In(MqAttr), Out(MqAttr));

    // The machine
    uname                         63 122 160 160  (Out(Utsname)) as Uname;
    olduname                       - 109   -   -  (Out(OldUtsname)) as Uname;
    oldolduname                    -  59   -   -  (Out(OldOldUtsname)) as Uname;
    sethostname                  170  74 161 161  (BufIn(1), Size) as Sethostname;
    setdomainname                171 121 162 162  (BufIn(1), Size) as Setdomainname;
    sysinfo                       99 116 179 179  (Out(Sysinfo));
    syslog                       103 103 116 116  (Command, BufOut(2), Int);
    reboot                       169  88 142 142  (Value, Value, Value, Ptr);
    vhangup                      153 111  58  58  ();
    getrandom                    318 355 278 278  (BufOut(1), Size, Flags) -> Size;
    bpf                          321 357 280 280  (Command, BufInOut(2), Size);
    init_module                  175 128 105 105  (BufIn(1), Size, Str);
    finit_module                 313 350 273 273  (Fd, Str, Flags);
    delete_module                176 129 106 106  (Str, Flags);
    kexec_load                   246 283 104 104  (Value, Size, ArrayIn(1, KexecSegment), Flags);
    kexec_file_load              320   - 294 294  (Fd, Fd, Size, BufIn(2), Flags);
    _sysctl                      156 149   -   -  (InOut(SysctlArgs));
    bdflush                        - 134   -   -  (Command, Value);

    // Numbers that are taken and answer ENOSYS in every kernel that still runs
    create_module                174 127   -   -  (Str, Size) -> Addr;
    get_kernel_syms              177 130   -   -  (Ptr);
    query_module                 178 167   -   -  (Str, Command, BufOut(3), Size, Out(Word));
    getpmsg                      181 188   -   -  (Value, Value, Value, Value, Value);
    putpmsg                      182 189   -   -  (Value, Value, Value, Value, Value);
    afs_syscall                  183 137   -   -  (Value, Value, Value, Value, Value);
    tuxcall                      184   -   -   -  (Value, Value, Value);
    security                     185   -   -   -  (Value, Value, Value);
    vserver                      236 273   -   -  (Value, Value, Value, Value, Value);
    break                          -  17   -   -  ();
    stty                           -  31   -   -  (Value, Value);
    gtty                           -  32   -   -  (Value, Value);
    ftime                          -  35   -   -  ();
    prof                           -  44   -   -  ();
    lock                           -  53   -   -  ();
    mpx                            -  56   -   -  ();
    ulimit                         -  58   -   -  (Value, Value);
    profil                         -  98   -   -  (Value, Value, Value, Value);
    idle                           - 112   -   -  ();
}
