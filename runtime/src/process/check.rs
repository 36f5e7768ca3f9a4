//! What the kernel would say to an exec, found out before the point of no return.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};

use super::argument_limit::Room;
use super::exec::{ExecRequest, PATH_MAX};
use super::resolve::{self, Failure, Step};
use super::resumed::OPTIONS;
use crate::log::Line;
use crate::module::control;
use crate::shown::Quoted;
use crate::sys::{self, Errno, Result};
use crate::view;
use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, F_GETFD, F_GETFL, FD_CLOEXEC, O_CLOEXEC, O_NOFOLLOW,
    O_PATH, O_RDONLY,
};

/// `AT_EXECVE_CHECK` (linux/fcntl.h, since 6.14).
pub const AT_EXECVE_CHECK: usize = 0x10000;

/// What is to be executed.
pub enum Found {
    /// The kernel's business: a program of `--plain`, or of a format that only the kernel knows.
    Native,
    /// An ELF program or a script.
    File {
        /// Its descriptor, or −1 when there is none left: then the next vload opens the path.
        fd: i32,
        /// The path will not name it for an interpreter.
        inaccessible: bool,
    },
}

/// Asks the kernel for everything that it checks before it looks at the file's format, then looks
/// at the format ourselves. The errors are those that the caller of `execve` gets. `file` is what the path stands for.
pub fn program(request: &ExecRequest, path: &CStr, file: &CStr) -> Result<Found> {
    ask(request.dirfd, file, request.flags, request.argv, request.envp)?;
    let mut name = [0; PATH_MAX];
    let execfn = execfn(request, path, &mut name)?;
    let mut room = None;
    if KERNEL_CANNOT_SAY.load(Ordering::Relaxed) {
        // It has not read the vectors, and they may be anything.
        room = Some(Ok(Room::of(request, execfn)?));
    }
    if is_plain(path) {
        return Ok(Found::Native);
    }
    let inaccessible = !path.to_bytes().starts_with(b"/")
        && request.dirfd != sys::CWD
        && sys::fcntl(request.dirfd, F_GETFD, 0).is_ok_and(|flags| flags as u32 & FD_CLOEXEC != 0);
    let fd = match open(request, file) {
        Ok(fd) => fd,
        Err(Errno::MFILE | Errno::NFILE) => return Ok(Found::File { fd: -1, inaccessible }),
        Err(error) => {
            crate::log!(
                Error,
                "exec of {}: it can be executed but not read: {}",
                Quoted(path),
                error.text()
            );
            return Err(error);
        }
    };
    if control::leaves() {
        // Two residents cannot share a process: a vload that begins a session of its own runs in our place.
        sys::close(fd);
        crate::log!(Warn, "not covered: a vload of the program's own runs in our place");
        return Ok(Found::Native);
    }
    let mut fits = Ok(());
    let mut replaced = false;
    let resolved = resolve::resolve(fd, execfn, inaccessible, &mut |step, path| {
        replaced = true;
        if let Step::Script(script) = step
            && fits.is_ok()
        {
            fits = match room.get_or_insert_with(|| Room::of(request, execfn)) {
                Ok(room) => room.take(script, path),
                Err(error) => Err(*error),
            };
        }
    });
    match resolved {
        Ok(resolved) if fits.is_err() => {
            resolved.close_all();
            fits.map(|()| Found::Native)
        }
        Ok(resolved) => {
            if !replaced {
                resolved.close(fd);
                return Ok(Found::File { fd, inaccessible });
            }
            // A script's program is found again by the next vload, which needs the script.
            resolved.close_all();
            Ok(Found::File { fd: open(request, file)?, inaccessible })
        }
        Err(failure) => judge(&failure, request, file, inaccessible),
    }
}

fn judge(
    failure: &Failure,
    request: &ExecRequest,
    file: &CStr,
    inaccessible: bool,
) -> Result<Found> {
    if matches!(failure.refusal.errno, Errno::MFILE | Errno::NFILE) {
        // The exec may close some.
        return Ok(Found::File { fd: -1, inaccessible });
    }
    if failure.refusal.fatal {
        // The kernel finds out too late to tell the caller; so does the next vload.
        return Ok(Found::File { fd: open(request, file)?, inaccessible });
    }
    if failure.is_unknown_format() {
        return Ok(Found::Native);
    }
    Err(failure.refusal.errno)
}

fn open(request: &ExecRequest, path: &CStr) -> Result<i32> {
    if path.is_empty() {
        return reopen(request.dirfd);
    }
    let nofollow = if request.flags & AT_SYMLINK_NOFOLLOW as usize != 0 { O_NOFOLLOW } else { 0 };
    view::open_own(request.dirfd, path, O_RDONLY | nofollow)
}

/// Another descriptor for what `fd` refers to, which may have been opened with `O_PATH`.
pub fn reopen(fd: i32) -> Result<i32> {
    let mut line = Line::new();
    line.text("/proc/thread-self/fd/").decimal(i64::from(fd)).raw(b"\0");
    let reopened = CStr::from_bytes_with_nul(line.bytes())
        .map_err(|_| Errno::INVAL)
        .and_then(|path| view::open_own(sys::CWD, path, O_RDONLY));
    // Without /proc the same open file must do: it is only read at offsets.
    reopened.or_else(|error| {
        if sys::fcntl(fd, F_GETFL, 0)? as u32 & O_PATH != 0 {
            // It cannot be read, and nothing else names the file.
            return Err(if error == Errno::NOENT { Errno::ACCES } else { error });
        }
        sys::duplicate(fd, 0, true).or_else(|_| view::hide(fd, true))
    })
}

/// Whether the file at `path` may be executed.
pub fn may_execute(path: &CStr) -> Result<()> {
    ask(sys::CWD, path, 0, 0, 0)
}

static KERNEL_CANNOT_SAY: AtomicBool = AtomicBool::new(false);

fn ask(dirfd: i32, path: &CStr, flags: usize, argv: usize, envp: usize) -> Result<()> {
    if !KERNEL_CANNOT_SAY.load(Ordering::Relaxed) {
        // An empty vector would be noted in the kernel's log (do_execveat_common, fs/exec.c).
        let dummy = [c"".as_ptr() as usize, 0];
        let argv = if argv == 0 { dummy.as_ptr() as usize } else { argv };
        match sys::execveat(dirfd, path, argv, envp, flags | AT_EXECVE_CHECK) {
            Ok(_) => return Ok(()),
            Err(Errno::INVAL) if may_be_unknown(dirfd, path, flags) => {
                KERNEL_CANNOT_SAY.store(true, Ordering::Relaxed);
            }
            // The call itself is missing (qemu-user before 8).
            Err(Errno::NOSYS) => KERNEL_CANNOT_SAY.store(true, Ordering::Relaxed),
            Err(error) => return Err(error),
        }
    }
    by_hand(dirfd, path, flags)
}

/// Whether `EINVAL` may mean that the kernel does not know the flag: with flags that every kernel
/// knows there is no other reason.
fn may_be_unknown(_dirfd: i32, _path: &CStr, flags: usize) -> bool {
    flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) as usize == 0
}

/// What `do_open_execat` checks, for kernels before 6.14.
pub fn by_hand(dirfd: i32, path: &CStr, flags: usize) -> Result<()> {
    const X_OK: usize = 1;
    const AT_EACCESS: usize = 0x200;
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) as usize != 0 {
        return Err(Errno::INVAL);
    }
    if path.is_empty() && flags & AT_EMPTY_PATH as usize == 0 {
        return Err(Errno::NOENT);
    }
    let by_name = || {
        judge_file(&sys::stat_flags(dirfd, path, flags as u32)?)?;
        sys::access(dirfd, path, X_OK, flags | AT_EACCESS)
    };
    if path.is_empty() {
        return by_name();
    }
    // Through a descriptor, as `do_open_execat` does it: an emulator that looks for programs below a
    // folder of its own (`qemu -L`) does so for `openat(2)`, but not for `statx(2)` and its likes.
    let nofollow = if flags & AT_SYMLINK_NOFOLLOW as usize != 0 { O_NOFOLLOW } else { 0 };
    let opened = match sys::openat(dirfd, path, O_PATH | O_CLOEXEC | nofollow, 0) {
        Ok(fd) => fd,
        Err(Errno::MFILE | Errno::NFILE) => return by_name(),
        Err(error) => return Err(error),
    };
    let stat = sys::fstat(opened);
    let empty = AT_EMPTY_PATH as usize;
    let allowed = match sys::access(opened, c"", X_OK, empty | AT_EACCESS) {
        // `faccessat(2)` has no such flag (before 5.8).
        Err(Errno::NOENT) => sys::access(dirfd, path, X_OK, flags | AT_EACCESS),
        other => other,
    };
    sys::close(opened);
    judge_file(&stat?).and(allowed)
}

/// Whether a file is of a kind that can be executed.
fn judge_file(stat: &sys::Stat) -> Result<()> {
    if stat.is_link() {
        return Err(Errno::LOOP);
    }
    if stat.is_file() { Ok(()) } else { Err(Errno::ACCES) }
}

/// Whether `--plain` names the program.
fn is_plain(path: &CStr) -> bool {
    let path = path.to_bytes();
    let base = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    OPTIONS.values("plain").any(|name| name == path || name == base)
}

/// The name by which the kernel would know the file (`bprm->filename`, alloc_bprm in fs/exec.c).
pub fn execfn<'b>(
    request: &ExecRequest,
    path: &'b CStr,
    buffer: &'b mut [u8; PATH_MAX],
) -> Result<&'b CStr> {
    if request.dirfd == sys::CWD || path.to_bytes().starts_with(b"/") {
        return Ok(path);
    }
    let mut line = Line::new();
    line.text("/dev/fd/").decimal(i64::from(request.dirfd));
    let (prefix, rest) = (line.bytes(), path.to_bytes_with_nul());
    let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
    let mut at = 0;
    for part in [prefix, separator, rest] {
        buffer.get_mut(at..at + part.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(part);
        at += part.len();
    }
    CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::NAMETOOLONG)
}
