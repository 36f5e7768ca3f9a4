//! vload's own descriptors, and what crosses an exec in one.

use core::ffi::CStr;

use alloc::ffi::CString;
use alloc::vec::Vec;
use linux_raw_sys::general::{O_APPEND, O_CLOEXEC, O_CREAT, O_PATH, O_TRUNC, O_WRONLY};
use runtime::process::{OPTIONS, spill};
use runtime::session;
use runtime::sys::{self, Errno, Result};
use runtime::view::{self, OWN};

use crate::auxv::AT_EXECFN;
use crate::command::Trace;
use crate::find;
use crate::message::{NOT_EXECUTABLE, Shown, USAGE, fail};
use crate::vectors::{Vectors, string};

/// Opens vload's own file, to be executed for every program the target starts, and the session: that of
/// `vload bisect`, if it has made one.
pub fn open_own(vectors: &Vectors, made: Option<i32>) {
    /// With fewer descriptors than that the target gets them all; what it starts is executed
    /// through /proc/self/exe, and each process keeps what it learns to itself.
    const ENOUGH: u64 = 16;
    if sys::limit(linux_raw_sys::general::RLIMIT_NOFILE).is_ok_and(|limit| limit.hard < ENOUGH) {
        // Without /proc: by the name under which the kernel was given it.
        if let (Err(_), Some(name)) =
            (sys::stat(sys::CWD, c"/proc/self/exe"), vectors.aux(AT_EXECFN))
        {
            // SAFETY: one thread, and the target has not run.
            let kept = unsafe { OPTIONS.add("exe", &find::real_path(-1, string(name))) };
            debug_assert!(kept);
        }
        if made.is_some() {
            no_trial(Errno::MFILE);
        }
        return;
    }
    let own = sys::openat(sys::CWD, c"/proc/self/exe", O_PATH, 0).or_else(|error| {
        // Without /proc: by the name under which the kernel was given it.
        match vectors.aux(AT_EXECFN) {
            Some(name) => sys::openat(sys::CWD, string(name), O_PATH, 0),
            None => Err(error),
        }
    });
    match own {
        Ok(fd) => OWN.exe.set(hide(fd)),
        Err(Errno::MFILE | Errno::NFILE) => {}
        Err(error) => fail(
            NOT_EXECUTABLE,
            format_args!(
                "vload's own file cannot be opened ({}): programs that the target starts could \
                 not be followed",
                error.text()
            ),
        ),
    }
    // Without a session each process keeps what it learns to itself.
    let session = match made {
        Some(fd) => session::join(fd).map(|()| fd),
        None => session::create(),
    };
    match session {
        Ok(fd) => {
            OWN.session.set(hide(fd));
            // Without them no virtual file can be opened.
            if let Ok(fd) = session::placeholders() {
                OWN.placeholders.set(hide(fd));
            }
        }
        Err(error) if made.is_some() => no_trial(error),
        Err(_) => {}
    }
}

fn no_trial(error: Errno) -> ! {
    fail(USAGE, format_args!("bisect: the session cannot be joined: {}", error.text()))
}

/// Notes where images are kept on disk: `$XDG_CACHE_HOME/vload`, else `$HOME/.cache/vload`
/// (XDG Base Directory Specification). The folder is made if it is missing.
pub fn find_cache(vectors: &Vectors) {
    let base = match (vectors.env(b"XDG_CACHE_HOME"), vectors.env(b"HOME")) {
        (Some(base), _) if base.starts_with(b"/") => base.to_vec(),
        (_, Some(home)) if home.starts_with(b"/") => [home, b"/.cache"].concat(),
        _ => return,
    };
    let path = [&base[..], b"/vload"].concat();
    // SAFETY: one thread, and the target has not run.
    if !unsafe { OPTIONS.add("cache", &path) } {
        return;
    }
    let (Ok(base), Ok(path)) = (CString::new(base), CString::new(path)) else { return };
    // What cannot be made is not used.
    if sys::mkdir(&path, 0o700) == Err(Errno::NOENT) && sys::mkdir(&base, 0o700).is_ok() {
        let _ = sys::mkdir(&path, 0o700);
    }
}

fn hide(fd: i32) -> i32 {
    view::move_away(fd).unwrap_or(fd)
}

/// Opens the file of `--log`.
pub fn open_log(path: &[u8]) {
    OWN.log.set(hide(or_fail(path, open_for_writing(path, O_APPEND))));
}

/// Makes a file that a report goes to, anew.
pub fn create(path: &[u8]) -> i32 {
    or_fail(path, try_create(path))
}

/// The same, where it may be impossible.
pub fn try_create(path: &[u8]) -> Result<i32> {
    open_for_writing(path, O_TRUNC | O_CLOEXEC)
}

fn open_for_writing(path: &[u8], how: u32) -> Result<i32> {
    let flags = O_WRONLY | O_CREAT | how;
    CString::new(path)
        .map_err(|_| Errno::INVAL)
        .and_then(|path| sys::openat(sys::CWD, &path, flags, 0o666))
}

fn or_fail(path: &[u8], opened: Result<i32>) -> i32 {
    match opened {
        Ok(fd) => fd,
        Err(error) => fail(USAGE, format_args!("{}: {}", Shown(path), error.text())),
    }
}

/// Opens where the trace goes: `-o FILE`, or a copy of standard error that `2>` does not move. A
/// table is printed by the parent, on its own.
pub fn open_trace(file: Option<&CStr>, trace: Trace) {
    match (file, trace) {
        (Some(path), _) => {
            let path = path.to_bytes();
            let fd = or_fail(path, open_for_writing(path, O_TRUNC | O_APPEND));
            OWN.trace.set(hide(fd));
        }
        (None, Trace::Lines) => match view::hide(2, false) {
            Ok(fd) => OWN.trace.set(fd),
            Err(error) => fail(
                USAGE,
                format_args!(
                    "standard error cannot be used for the trace: {}; give a file with -o",
                    error.text()
                ),
            ),
        },
        (None, Trace::Counts) => {}
    }
}

/// The vectors that did not fit beside vload's own arguments. They stay mapped until the hand-over
/// has put them on the stack.
pub fn read_spilled(fd: i32) -> Result<(&'static [usize], &'static [usize])> {
    let size = sys::fstat(fd)?.size as usize;
    let start = sys::map_private(fd, 0, size)?;
    sys::close(fd);
    let head = size_of::<spill::Header>();
    if size < head {
        return Err(Errno::INVAL);
    }
    // SAFETY: mapped just now, page-aligned and longer than a header; it stays mapped.
    let (header, strings) = unsafe {
        (
            (start as *const spill::Header).read(),
            core::slice::from_raw_parts((start + head) as *const u8, size - head),
        )
    };
    let mut addresses = Vec::new();
    let mut rest = strings;
    for _ in 0..header.arguments.saturating_add(header.environment) {
        let end = rest.iter().position(|&byte| byte == 0).ok_or(Errno::INVAL)?;
        addresses.push(rest.as_ptr() as usize);
        rest = &rest[end + 1..];
    }
    let addresses = addresses.leak();
    let (argv, envp) = addresses.split_at(header.arguments as usize);
    Ok((argv, envp))
}
