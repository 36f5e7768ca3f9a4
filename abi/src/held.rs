//! Calls that are answered otherwise where a descriptor is virtual.

use super::native_number;

/// Their names, in any table.
pub const NAMES: &[&str] = &[
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "lseek",
    "_llseek",
    "ioctl",
    "fcntl",
    "fcntl64",
    "flock",
    "fstat",
    "fstat64",
    "oldfstat",
    "fstatfs",
    "fstatfs64",
    "ftruncate",
    "ftruncate64",
    "fallocate",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "syncfs",
    "fadvise64",
    "fadvise64_64",
    "readahead",
    "cachestat",
    "fchmod",
    "fchown",
    "fchown32",
    "getdents64",
    "getdents",
    "fgetxattr",
    "fsetxattr",
    "flistxattr",
    "fremovexattr",
    "close",
    "dup2",
    "dup3",
    "close_range",
    "mmap",
    "mmap2",
    "mremap",
    "remap_file_pages",
    "munmap",
    "mprotect",
    "pkey_mprotect",
    "madvise",
    "process_madvise",
    "sendfile",
    "sendfile64",
    "copy_file_range",
    "splice",
    "poll",
    "ppoll",
    "ppoll_time64",
    "select",
    "_newselect",
    "pselect6",
    "pselect6_time64",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
];

const fn count() -> usize {
    let (mut at, mut count) = (0, 0);
    while at < NAMES.len() {
        count += native_number(NAMES[at]).is_some() as usize;
        at += 1;
    }
    count
}

/// Their numbers by the processor's own instruction.
pub static NUMBERS: [usize; count()] = {
    let mut numbers = [0; count()];
    let (mut at, mut end) = (0, 0);
    while at < NAMES.len() {
        if let Some(number) = native_number(NAMES[at]) {
            numbers[end] = number;
            end += 1;
        }
        at += 1;
    }
    numbers
};
