//! Descriptors and files.

use core::ffi::CStr;

use super::{Result, call, check};
use crate::arch;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_FDCWD, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, O_CLOEXEC,
    STATX_BASIC_STATS, statx,
};

/// `AT_FDCWD`.
pub const CWD: i32 = AT_FDCWD;

/// `pread64(2)`: reads at `offset` into `buf`; short reads happen at the end of a file.
pub fn pread(fd: i32, buf: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel writes at most `buf.len()` bytes at `buf`, which is exclusively ours.
    check(unsafe { arch::pread64(fd, buf.as_mut_ptr(), buf.len(), offset) })
}

/// `read(2)`.
pub fn read(fd: i32, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `buf.len()` bytes at `buf`, which is exclusively ours.
    unsafe { call(nr::__NR_read, [fd as usize, buf.as_mut_ptr() as usize, buf.len()]) }
}

/// The kind of file system that an open file lies on (`fstatfs(2)`).
pub fn file_system(fd: i32) -> Result<usize> {
    // The kind comes first, a word of the machine's; the whole is shorter than this everywhere.
    let mut status = [0usize; 32];
    // SAFETY: the kernel fills a `struct statfs`.
    unsafe { call(nr::__NR_fstatfs, [fd as usize, status.as_mut_ptr() as usize]) }?;
    Ok(status[0])
}

/// `ioctl(2)`.
///
/// # Safety
/// What the command reads and writes at `argument` must be memory for that.
pub unsafe fn ioctl(fd: i32, command: usize, argument: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_ioctl, [fd as usize, command, argument]) }
}

/// `lseek(2)`.
pub fn seek(fd: i32, offset: u64, from: u32) -> Result<u64> {
    // SAFETY: no memory is passed.
    unsafe { call(nr::__NR_lseek, [fd as usize, offset as usize, from as usize]) }
        .map(|at| at as u64)
}

/// `openat(2)`, of files of any length; `openat2(2)` where a filter of the target's forbids it.
pub fn openat(dirfd: i32, path: &CStr, flags: u32, mode: u32) -> Result<i32> {
    let (name, large) = (path.as_ptr() as usize, flags | nr::O_LARGEFILE);
    let args = [dirfd as usize, name, large as usize, mode as usize];
    // SAFETY: the path is NUL-terminated; a descriptor harms no memory.
    let opened = match unsafe { call(nr::__NR_openat, args) } {
        Err(super::Errno::NOSYS) => {
            // The newer call refuses flags that do not belong together (build_open_flags, fs/open.c).
            let flags = if flags & nr::O_PATH != 0 { flags } else { large };
            let how = [u64::from(flags), u64::from(mode), 0];
            let size = core::mem::size_of_val(&how);
            // SAFETY: as above; the kernel reads `how`, a `struct open_how`.
            unsafe { call(nr::__NR_openat2, [dirfd as usize, name, how.as_ptr() as usize, size]) }
        }
        other => other,
    };
    opened.map(|fd| fd as i32)
}

/// `close(2)`. The descriptor is gone whatever the kernel answers.
pub fn close(fd: i32) {
    // SAFETY: closing one of vload's own descriptors; no memory is passed.
    let _ = unsafe { call(nr::__NR_close, [fd as usize]) };
}

/// `fcntl(fd, F_DUPFD)`: a copy at the lowest free number from `lowest` on.
pub fn duplicate(fd: i32, lowest: i32, close_on_exec: bool) -> Result<i32> {
    let command = if close_on_exec { F_DUPFD_CLOEXEC } else { F_DUPFD };
    fcntl(fd, command, lowest as usize).map(|fd| fd as i32)
}

/// `pipe2(2)`: where it is read, and where it is written; closed by an exec.
pub fn pipe() -> Result<[i32; 2]> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel fills `ends`.
    unsafe { call(nr::__NR_pipe2, [ends.as_mut_ptr() as usize, O_CLOEXEC as usize]) }?;
    Ok(ends)
}

/// `dup3(2)`: makes the number `to` one of the same open file description, in the place of what it was.
pub fn duplicate_onto(from: i32, to: i32) -> Result<()> {
    // SAFETY: no memory is passed; both are vload's own.
    unsafe { call(nr::__NR_dup3, [from as usize, to as usize, 0]) }.map(drop)
}

/// `fcntl(2)` with an argument that is no pointer, or one of ours.
pub fn fcntl(fd: i32, command: u32, argument: usize) -> Result<usize> {
    // SAFETY: the commands used here take numbers, or a lock of the caller's.
    unsafe { call(FCNTL, [fd as usize, command as usize, argument]) }
}

const FCNTL: u32 = arch::numbers::FCNTL;

/// Whether `fd` is a terminal (isatty(3)).
pub fn is_terminal(fd: i32) -> bool {
    /// The same on every processor that vload knows (asm-generic/ioctls.h).
    const TCGETS: usize = 0x5401;
    // `struct termios` of the kernel is 36 bytes.
    let mut termios = [0u32; 16];
    // SAFETY: the kernel writes a `struct termios` at most.
    unsafe { call(nr::__NR_ioctl, [fd as usize, TCGETS, termios.as_mut_ptr() as usize]).is_ok() }
}

/// Sets or clears close-on-exec.
pub fn set_close_on_exec(fd: i32, on: bool) -> Result<()> {
    fcntl(fd, F_SETFD, usize::from(on)).map(drop)
}

/// Whether `fd` is open.
pub fn is_open(fd: i32) -> bool {
    fcntl(fd, F_GETFD, 0).is_ok()
}

/// `readlinkat(2)`; gives the bytes read, cut at the length of `buf`.
pub fn readlink<'b>(dirfd: i32, path: &CStr, buf: &'b mut [u8]) -> Result<&'b [u8]> {
    // SAFETY: the kernel writes at most `buf.len()` bytes at `buf`.
    let length = unsafe {
        call(
            nr::__NR_readlinkat,
            [dirfd as usize, path.as_ptr() as usize, buf.as_mut_ptr() as usize, buf.len()],
        )
    }?;
    Ok(&buf[..length.min(buf.len())])
}

/// What `statx(2)` says, of the fields that vload uses.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Device, `major << 32 | minor`.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of the content, nanoseconds since the epoch.
    pub mtime: i64,
    /// Last change of the inode, nanoseconds since the epoch.
    pub ctime: i64,
}

impl Stat {
    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    /// Whether a write may wait for a reader, or find none: it is a FIFO, a pipe or a socket.
    pub fn has_reader(&self) -> bool {
        matches!(self.mode & 0o170_000, 0o010_000 | 0o140_000)
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// `statx(2)` of a descriptor.
pub fn fstat(fd: i32) -> Result<Stat> {
    statx_at(fd, c"", AT_EMPTY_PATH)
}

/// `statx(2)` of a path, links followed.
pub fn stat(dirfd: i32, path: &CStr) -> Result<Stat> {
    statx_at(dirfd, path, 0)
}

fn statx_at(dirfd: i32, path: &CStr, flags: u32) -> Result<Stat> {
    // SAFETY: all zero is a valid statx.
    let mut s: statx = unsafe { core::mem::zeroed() };
    // SAFETY: the path is NUL-terminated; the kernel fills `s`.
    let asked = unsafe {
        call(
            nr::__NR_statx,
            [
                dirfd as usize,
                path.as_ptr() as usize,
                flags as usize,
                STATX_BASIC_STATS as usize,
                &raw mut s as usize,
            ],
        )
    };
    if asked == Err(super::Errno::NOSYS) {
        return fstatat(dirfd, path, flags);
    }
    asked?;
    let nanoseconds =
        |seconds: i64, rest: u32| seconds.wrapping_mul(1_000_000_000).wrapping_add(i64::from(rest));
    Ok(Stat {
        dev: u64::from(s.stx_dev_major) << 32 | u64::from(s.stx_dev_minor),
        ino: s.stx_ino,
        size: s.stx_size,
        mode: u32::from(s.stx_mode),
        uid: s.stx_uid,
        gid: s.stx_gid,
        mtime: nanoseconds(s.stx_mtime.tv_sec, s.stx_mtime.tv_nsec),
        ctime: nanoseconds(s.stx_ctime.tv_sec, s.stx_ctime.tv_nsec),
    })
}

/// `newfstatat(2)` (`fstatat64(2)` on 32-bit machines), where there is no `statx(2)` or a filter forbids
/// it.
fn fstatat(dirfd: i32, path: &CStr, flags: u32) -> Result<Stat> {
    // SAFETY: all zero is a valid stat.
    let mut s: arch::numbers::RawStat = unsafe { core::mem::zeroed() };
    let (name, to) = (path.as_ptr() as usize, &raw mut s as usize);
    // SAFETY: the path is NUL-terminated; the kernel fills `s`.
    unsafe { call(arch::numbers::FSTATAT, [dirfd as usize, name, to, flags as usize]) }?;
    // new_decode_dev, include/linux/kdev_t.h.
    let dev = s.st_dev as u64;
    let (major, minor) = (dev >> 8 & 0xfff, dev & 0xff | dev >> 12 & 0xf_ff00);
    let nanoseconds =
        |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest);
    Ok(Stat {
        dev: major << 32 | minor,
        ino: s.st_ino as u64,
        size: s.st_size as u64,
        mode: s.st_mode as u32,
        uid: s.st_uid as u32,
        gid: s.st_gid as u32,
        mtime: nanoseconds(s.st_mtime as i64, s.st_mtime_nsec as i64),
        ctime: nanoseconds(s.st_ctime as i64, s.st_ctime_nsec as i64),
    })
}

/// Whether the file has the extended attribute `name`.
pub fn has_attribute(fd: i32, name: &CStr) -> bool {
    // SAFETY: the name is NUL-terminated, and without room nothing is written.
    unsafe { call(nr::__NR_fgetxattr, [fd as usize, name.as_ptr() as usize, 0, 0]) }
        .is_ok_and(|length| length > 0)
}

/// Whether the file lies where programs get no privilege (`nosuid`, mount(8)).
pub fn is_nosuid(fd: i32) -> bool {
    /// `ST_NOSUID` (statfs(2)).
    const NOSUID: u64 = 2;
    arch::statfs_flags(fd).is_ok_and(|flags| flags & NOSUID != 0)
}

/// `memfd_create(2)`.
pub fn memfd_create(name: &CStr, flags: u32) -> Result<i32> {
    // SAFETY: the name is NUL-terminated.
    unsafe { call(nr::__NR_memfd_create, [name.as_ptr() as usize, flags as usize]) }
        .map(|fd| fd as i32)
}

/// `ftruncate(2)`.
pub fn truncate(fd: i32, length: u64) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { arch::ftruncate64(fd, length) }).map(drop)
}

/// Gives back what a part of a file takes: it reads as zeros from then on (`FALLOC_FL_PUNCH_HOLE`,
/// fallocate(2)).
pub fn punch(fd: i32, offset: u64, length: usize) -> Result<()> {
    const KEEP_SIZE: usize = 1;
    const PUNCH_HOLE: usize = 2;
    // SAFETY: no memory is passed; the part of the file is the caller's to throw away.
    check(unsafe { arch::fallocate64(fd, KEEP_SIZE | PUNCH_HOLE, offset, length as u64) }).map(drop)
}

/// Another open file description of the file behind a descriptor, for reading and writing.
pub fn reopen(fd: i32) -> Result<i32> {
    let mut path = crate::log::Line::new();
    path.text("/proc/thread-self/fd/").decimal(i64::from(fd)).raw(b"\0");
    let path = CStr::from_bytes_with_nul(path.bytes()).map_err(|_| super::Errno::INVAL)?;
    openat(CWD, path, nr::O_RDWR | nr::O_CLOEXEC, 0)
}

/// A lock on one byte, as fcntl(2) takes it.
fn byte_lock(kind: u32, byte: u64) -> nr::flock64 {
    // SAFETY: a structure of integers, for which zeros are values.
    let mut lock: nr::flock64 = unsafe { core::mem::zeroed() };
    lock.l_type = kind as _;
    lock.l_start = byte as _;
    lock.l_len = 1;
    lock
}

/// Locks a byte of a file for reading, for as long as the open file description is there
/// (`F_OFD_SETLK`, fcntl(2)).
pub fn lock_byte(fd: i32, byte: u64) -> Result<()> {
    let lock = byte_lock(nr::F_RDLCK, byte);
    fcntl(fd, nr::F_OFD_SETLK, &raw const lock as usize).map(drop)
}

/// Locks a byte of a file for writing; `waits`: when no other open file description has a lock on it any more.
///
/// [`Errno::AGAIN`](super::Errno::AGAIN): one has.
pub fn lock_byte_alone(fd: i32, byte: u64, waits: bool) -> Result<()> {
    let lock = byte_lock(nr::F_WRLCK, byte);
    let how = if waits { nr::F_OFD_SETLKW } else { nr::F_OFD_SETLK };
    loop {
        match fcntl(fd, how, &raw const lock as usize) {
            Err(super::Errno::INTR) => {}
            taken => return taken.map(drop),
        }
    }
}

/// Whether another open file description has a lock on the byte. Where that cannot be asked it may be so.
pub fn is_byte_locked(fd: i32, byte: u64) -> bool {
    let mut lock = byte_lock(nr::F_WRLCK, byte);
    let asked = fcntl(fd, nr::F_OFD_GETLK, &raw mut lock as usize);
    asked.is_err() || lock.l_type as u32 != nr::F_UNLCK
}

/// `chdir(2)`.
pub fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call(nr::__NR_chdir, [path.as_ptr() as usize]) }.map(drop)
}

/// `close_range(2)`; where the kernel does not have it, one by one below the limit.
pub fn close_from(first: i32) {
    // SAFETY: no memory is passed; the caller has no use for them.
    let closed = unsafe { call(nr::__NR_close_range, [first as usize, u32::MAX as usize, 0]) };
    if closed.is_err() {
        let end = super::limit(nr::RLIMIT_NOFILE).map_or(1024, |limit| limit.soft) as i32;
        (first..end).for_each(super::close);
    }
}

/// `mkdirat(2)`.
pub fn mkdir(path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call(nr::__NR_mkdirat, [CWD as usize, path.as_ptr() as usize, mode as usize]) }
        .map(drop)
}

/// `renameat(2)` within a folder.
pub fn rename(folder: i32, from: &CStr, to: &CStr) -> Result<()> {
    let (dirfd, from, to) = (folder as usize, from.as_ptr() as usize, to.as_ptr() as usize);
    // SAFETY: both names are NUL-terminated.
    unsafe { call(nr::__NR_renameat2, [dirfd, from, dirfd, to, 0]) }.map(drop)
}

/// `unlinkat(2)` of a file.
pub fn unlink(folder: i32, name: &CStr) -> Result<()> {
    // SAFETY: the name is NUL-terminated.
    unsafe { call(nr::__NR_unlinkat, [folder as usize, name.as_ptr() as usize, 0]) }.map(drop)
}

/// `getcwd(2)`: the path without its NUL.
pub fn getcwd(buf: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: the kernel writes at most `buf.len()` bytes.
    let length = unsafe { call(nr::__NR_getcwd, [buf.as_mut_ptr() as usize, buf.len()]) }?;
    Ok(&buf[..length.saturating_sub(1).min(buf.len())])
}

/// `statx(2)` with flags.
pub fn stat_flags(dirfd: i32, path: &CStr, flags: u32) -> Result<Stat> {
    statx_at(dirfd, path, flags)
}

/// `faccessat2(2)`, or `faccessat(2)` where it is missing.
pub fn access(dirfd: i32, path: &CStr, mode: usize, flags: usize) -> Result<()> {
    let (at, path) = (dirfd as usize, path.as_ptr() as usize);
    // SAFETY: the path is NUL-terminated.
    match unsafe { call(nr::__NR_faccessat2, [at, path, mode, flags]) } {
        // SAFETY: as above.
        Err(super::Errno::NOSYS) => unsafe { call(nr::__NR_faccessat, [at, path, mode]) },
        other => other,
    }
    .map(drop)
}

/// `landlock_add_rule(2)`: the file behind `file` may be used so.
pub fn landlock_allow(rules: i32, file: i32, rights: u64) -> Result<()> {
    /// `LANDLOCK_RULE_PATH_BENEATH` (linux/landlock.h).
    const PATH_BENEATH: usize = 1;
    #[repr(C, packed)]
    struct PathBeneath {
        rights: u64,
        file: i32,
    }
    let rule = PathBeneath { rights, file };
    let args = [rules as usize, PATH_BENEATH, (&raw const rule).addr(), 0];
    // SAFETY: the kernel reads the rule.
    unsafe { call(nr::__NR_landlock_add_rule, args) }.map(drop)
}

/// `execveat(2)` of the target's vectors, or of ours; returns only with an error, or with
/// `AT_EXECVE_CHECK`.
pub fn execveat(dirfd: i32, path: &CStr, argv: usize, envp: usize, flags: usize) -> Result<usize> {
    // SAFETY: the kernel checks both vectors.
    let executed = unsafe {
        call(nr::__NR_execveat, [dirfd as usize, path.as_ptr() as usize, argv, envp, flags])
    };
    if executed != Err(super::Errno::NOSYS) {
        return executed;
    }
    let mut line = crate::log::Line::new();
    match path_of_exec(dirfd, path, flags, &mut line) {
        // SAFETY: as above.
        Some(path) => unsafe { call(nr::__NR_execve, [path.as_ptr() as usize, argv, envp]) },
        None => executed,
    }
}

/// `execve(2)` of ours; returns only with an error.
pub fn execve(path: &CStr, argv: usize, envp: usize) -> Result<usize> {
    // SAFETY: the kernel checks both vectors.
    unsafe { call(nr::__NR_execve, [path.as_ptr() as usize, argv, envp]) }
}

/// The path by which `execve(2)` does what an `execveat(2)` asks for, if there is one.
pub fn path_of_exec<'a>(
    dirfd: i32,
    path: &'a CStr,
    flags: usize,
    line: &'a mut crate::log::Line,
) -> Option<&'a CStr> {
    if path.is_empty() && flags == AT_EMPTY_PATH as usize {
        line.text("/proc/thread-self/fd/").decimal(i64::from(dirfd)).raw(b"\0");
        return CStr::from_bytes_with_nul(line.bytes()).ok();
    }
    let absolute = dirfd == CWD || path.to_bytes().starts_with(b"/");
    (absolute && flags == 0).then_some(path)
}

/// Calls `visit` with the name of each entry of an opened directory.
pub fn list(directory: i32, visit: &mut dyn FnMut(&CStr)) -> Result<()> {
    // struct linux_dirent64: d_ino, d_off, d_reclen (u16), d_type (u8), d_name.
    const RECLEN: usize = 16;
    const NAME: usize = 19;
    let mut buffer = [0u8; 2048];
    loop {
        // SAFETY: the kernel writes at most the buffer's length.
        let length = unsafe {
            call(
                nr::__NR_getdents64,
                [directory as usize, buffer.as_mut_ptr() as usize, buffer.len()],
            )
        }?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..length.min(buffer.len())];
        while let Some(&[low, high]) = rest.get(RECLEN..RECLEN + 2) {
            let record = usize::from(u16::from_ne_bytes([low, high]));
            let Some(name) = rest.get(NAME..record) else { break };
            if let Ok(name) = CStr::from_bytes_until_nul(name) {
                visit(name);
            }
            rest = &rest[record..];
        }
    }
}

/// The first bytes of a file, as many as `into` has room for.
pub fn read_file(path: &CStr, into: &mut [u8]) -> Result<usize> {
    let fd = openat(CWD, path, nr::O_RDONLY | nr::O_CLOEXEC, 0)?;
    let mut length = 0;
    let result = loop {
        match pread(fd, into.get_mut(length..).unwrap_or_default(), length as u64) {
            Ok(0) => break Ok(length),
            Ok(more) => length += more,
            Err(error) => break Err(error),
        }
    };
    close(fd);
    result
}
