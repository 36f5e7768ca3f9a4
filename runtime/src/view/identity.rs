//! `/proc/self/exe` is the target's file.
//!
//! The calls are made first and looked at when they have succeeded: then the path is known to be
//! readable, and a path that is not ours has cost one comparison.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use crate::layer::Call;
use crate::sys;

/// Longest path (`PATH_MAX`).
const PATH_MAX: usize = 4096;

/// The target's file.
pub struct Program {
    path: core::cell::UnsafeCell<[u8; PATH_MAX]>,
    length: AtomicUsize,
    pid: AtomicI32,
}

// SAFETY: the path is written before the process has a second thread and only read afterwards.
unsafe impl Sync for Program {}

/// The program that this process runs.
pub static PROGRAM: Program = Program {
    path: core::cell::UnsafeCell::new([0; PATH_MAX]),
    length: AtomicUsize::new(0),
    pid: AtomicI32::new(0),
};

impl Program {
    /// Records the absolute path of the file, as the kernel would show it.
    ///
    /// # Safety
    /// The process must have one thread, which has not entered the target.
    pub unsafe fn set_path(&self, path: &[u8]) {
        let length = path.len().min(PATH_MAX - 1);
        // SAFETY: the caller's promise makes this the only access.
        let place = unsafe { &mut *self.path.get() };
        place[..length].copy_from_slice(&path[..length]);
        place[length] = 0;
        self.length.store(length, Ordering::Release);
    }

    /// The path; empty when it is not known.
    pub fn path(&self) -> &CStr {
        let length = self.length.load(Ordering::Acquire);
        // SAFETY: written before `length`, and not afterwards.
        let place = unsafe { &*self.path.get() };
        CStr::from_bytes_with_nul(&place[..=length]).unwrap_or(c"")
    }

    /// The process's id, asked once; a fork forgets it.
    fn pid(&self) -> i32 {
        let known = self.pid.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let pid = sys::getpid();
        self.pid.store(pid, Ordering::Relaxed);
        pid
    }

    /// After a fork.
    pub fn forget_pid(&self) {
        self.pid.store(0, Ordering::Relaxed);
    }
}

/// Whether the string at `path` names this process's `exe` in `/proc`.
///
/// # Safety
/// A NUL-terminated string must be readable there.
pub unsafe fn is_own_exe(path: usize) -> bool {
    let at = |index: usize| {
        // SAFETY: every byte before was not NUL, so this one is still the string's.
        unsafe { *((path + index) as *const u8) }
    };
    let follows = |from: usize, text: &[u8]| {
        text.iter().enumerate().all(|(index, &byte)| at(from + index) == byte)
    };
    if !follows(0, b"/proc/") {
        return false;
    }
    if follows(6, b"self/exe\0") || follows(6, b"thread-self/exe\0") {
        return true;
    }
    let mut number = 0i32;
    let mut index = 6;
    while at(index).is_ascii_digit() {
        number = number.wrapping_mul(10).wrapping_add(i32::from(at(index) - b'0'));
        index += 1;
    }
    index > 6 && follows(index, b"/exe\0") && number == PROGRAM.pid()
}

/// The call's own path if it succeeded on this process's `exe` and the target's path is known.
fn replaced(result: isize, path: usize) -> Option<&'static CStr> {
    // SAFETY: a call that succeeded has read its path.
    if result >= 0 && path != 0 && unsafe { is_own_exe(path) } {
        let program = PROGRAM.path();
        return (!program.is_empty()).then_some(program);
    }
    None
}

/// Whether a call with a relative path that succeeded reached this process's `exe` through a
/// descriptor of its folder in `/proc`.
fn is_own_exe_at(dirfd: i32, path: usize) -> bool {
    // SAFETY: the call has read its path.
    let path = unsafe { CStr::from_ptr(path as *const core::ffi::c_char) };
    if path != c"exe" && !path.to_bytes().ends_with(b"/exe") {
        return false;
    }
    let mut buffer = [0; 128];
    let Some(folder) = path_of(dirfd, &mut buffer) else { return false };
    let mut joined = crate::log::Line::new();
    joined.raw(folder).raw(b"/").raw(path.to_bytes()).raw(b"\0");
    // SAFETY: a line of ours that ends with NUL.
    unsafe { is_own_exe(joined.bytes().as_ptr() as usize) }
}

/// The target's path if a successful call with the path argument at `path`, behind a dirfd if
/// `path` is not the first argument, was made on this process's `exe`.
fn replaced_at(call: &Call<'_>, result: isize, path: usize) -> Option<&'static CStr> {
    if let Some(program) = replaced(result, call.args[path]) {
        return Some(program);
    }
    let dirfd = call.args[0] as i32;
    let relative = path == 1 && dirfd >= 0 && result >= 0 && call.args[path] != 0;
    (relative && is_own_exe_at(dirfd, call.args[path]) && !PROGRAM.path().is_empty())
        .then(|| PROGRAM.path())
}

/// `readlink(2)`, `readlinkat(2)`; `path` is the index of the path argument.
pub fn readlink(call: &mut Call<'_>, path: usize) -> isize {
    let result = call.pass();
    let Some(program) = replaced_at(call, result, path) else { return result };
    let bytes = program.to_bytes();
    let length = bytes.len().min(call.args[path + 2]);
    // The kernel has filled at most `result` bytes, and the rest of the buffer may not be there.
    if length > result as usize
        && let Err(error) = crate::memory::writable(call.args[path + 1], length)
    {
        return sys::raw(Err(error));
    }
    // SAFETY: the kernel, or the check above, has written there.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), call.args[path + 1] as *mut u8, length);
    }
    length as isize
}

/// `open(2)`, `openat(2)`: the target's file is opened at the number that vload's took.
pub fn open(call: &mut Call<'_>, path: usize) -> isize {
    let result = call.pass();
    let Some(program) = replaced_at(call, result, path) else { return result };
    const O_PATH: usize = 0o10_000_000;
    const O_NOFOLLOW: usize = crate::arch::numbers::O_NOFOLLOW;
    if call.args[path + 1] & O_PATH != 0 && call.args[path + 1] & O_NOFOLLOW != 0 {
        return result;
    }
    sys::close(result as i32);
    call.args[path] = program.as_ptr() as usize;
    call.pass()
}

/// `stat(2)`, `newfstatat(2)`, `statx(2)`, `access(2)` and their likes, made again on the target's file.
pub fn stat(call: &mut Call<'_>, path: usize, follows: bool) -> isize {
    let result = call.pass();
    if !follows {
        return result;
    }
    let Some(program) = replaced_at(call, result, path) else { return result };
    call.args[path] = program.as_ptr() as usize;
    call.pass()
}

/// The path of an open file, as `/proc` shows it; `None` without `/proc`.
pub fn path_of(fd: i32, buffer: &mut [u8]) -> Option<&[u8]> {
    let mut line = crate::log::Line::new();
    line.text("/proc/self/fd/").decimal(i64::from(fd)).raw(b"\0");
    let link = CStr::from_bytes_with_nul(line.bytes()).ok()?;
    sys::readlink(sys::CWD, link, buffer).ok()
}
