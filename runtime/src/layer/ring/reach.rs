//! Which calls a ring can make, and whether a layer gives one of them a meaning.

use super::super::layers;
use crate::abi::{self, Entry};
use crate::layer::raw::Raw;

/// What an io_uring can do in place of a call (`enum io_uring_op`, linux/io_uring.h, of Linux 6.18), and older forms of the same
/// calls.
const RING_NAMES: &[&str] = &[
    "_newselect",
    "accept",
    "accept4",
    "bind",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "close",
    "connect",
    "creat",
    "dup",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "fadvise64",
    "fadvise64_64",
    "fallocate",
    "fdatasync",
    "fgetxattr",
    "fsetxattr",
    "fstat",
    "fstat64",
    "fstatat64",
    "fsync",
    "ftruncate",
    "ftruncate64",
    "futex",
    "futex_time64",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "getpeername",
    "getsockname",
    "getsockopt",
    "getxattr",
    "getxattrat",
    "ioctl",
    "link",
    "linkat",
    "listen",
    "lstat",
    "lstat64",
    "madvise",
    "mkdir",
    "mkdirat",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pread64",
    "preadv",
    "preadv2",
    "pselect6",
    "pselect6_time64",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "select",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "setxattr",
    "setxattrat",
    "shutdown",
    "socket",
    "socketcall",
    "splice",
    "stat",
    "stat64",
    "statx",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "tee",
    "unlink",
    "unlinkat",
    "wait4",
    "waitid",
    "waitpid",
    "write",
    "writev",
];

/// The same of aio (`IOCB_CMD_*`, linux/aio_abi.h).
const AIO_NAMES: &[&str] = &[
    "_newselect",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "fdatasync",
    "fsync",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pread64",
    "preadv",
    "preadv2",
    "pselect6",
    "pselect6_time64",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readv",
    "select",
    "write",
    "writev",
];

/// The numbers of what an io_uring can do.
pub(super) static RING: &[usize] = &{
    const NUMBERS: [usize; abi::count_native(RING_NAMES)] = abi::native_numbers(RING_NAMES);
    NUMBERS
};
/// The numbers of what aio can do.
pub(super) static AIO: &[usize] = &{
    const NUMBERS: [usize; abi::count_native(AIO_NAMES)] = abi::native_numbers(AIO_NAMES);
    NUMBERS
};

/// Whether a layer gives one of the calls a meaning.
pub(super) fn is_claimed(calls: &[usize]) -> bool {
    layers().any(|layer| gives_meaning(layer.raw(), calls))
}

/// Whether `raw` does.
pub(super) fn gives_meaning(raw: &Raw, calls: &[usize]) -> bool {
    !raw.only_looks && calls.iter().any(|&call| raw.wants.has(Entry::Native, call))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::raw::Wants;

    fn reaches(name: &str, calls: &[usize], only_looks: bool) -> bool {
        let number = abi::native_number(name).expect("a call of this machine");
        let wants = Wants::Numbers(std::boxed::Box::leak(std::boxed::Box::new([number])));
        gives_meaning(&Raw { wants, only_looks, ..Raw::PLAIN }, calls)
    }

    #[test]
    fn layers_of_one_call() {
        // What operations do at a place in a file, with a flag, or as another form of a call, is among it.
        for name in ["ftruncate", "pwrite64", "preadv2", "fdatasync", "sync_file_range", "unlinkat"]
            .into_iter()
            .chain(["futex_wait", "epoll_pwait", "clock_nanosleep", "setsockopt", "pipe2", "wait4"])
        {
            assert!(reaches(name, RING, false), "{name}");
            assert!(!reaches(name, RING, true), "{name}");
        }
        assert!(reaches("pwritev2", AIO, false) && !reaches("openat", AIO, false));
        assert!(["getppid", "uname", "execve"].iter().all(|name| !reaches(name, RING, false)));
    }
}
