//! `/proc/PID/exe` of a process of the session is the file of the program that it runs.
//!
//! The calls are made first and looked at when they have succeeded: then the path is known to be
//! readable, and a path that is not of this kind has cost one comparison.

use core::ffi::{CStr, c_char};

use super::identity::{PROGRAM, path_of, pid_in_proc};
use super::maps;
use crate::layer::Call;
use crate::log::Line;
use crate::memory::User;
use crate::session;
use crate::sys;

const PATH_MAX: usize = 4096;

/// A path of the file that a call was meant for.
pub struct Replacement {
    bytes: [u8; PATH_MAX],
    length: usize,
}

impl Replacement {
    fn new(path: &[u8]) -> Option<Self> {
        let mut bytes = [0; PATH_MAX];
        // A NUL must follow.
        bytes.get_mut(..path.len()).filter(|_| path.len() < PATH_MAX)?.copy_from_slice(path);
        (!path.is_empty()).then_some(Self { bytes, length: path.len() })
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The path.
    pub fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

/// A process as `/proc` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Named {
    /// `self` or `thread-self`.
    Own,
    /// By its number in the pid namespace of that `/proc`.
    Number(i32),
}

/// The process whose `exe` in `/proc` the path names.
fn process_of(path: &[u8]) -> Option<Named> {
    let rest = path.strip_prefix(b"/proc/")?.strip_suffix(b"/exe")?;
    let mut parts = rest.split(|&byte| byte == b'/');
    let first = parts.next()?;
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) | (Some(b"task"), Some(_), None) => {}
        _ => return None,
    }
    if matches!(first, b"self" | b"thread-self") {
        return Some(Named::Own);
    }
    core::str::from_utf8(first).ok()?.parse().ok().map(Named::Number)
}

/// What `path` stands for if it names the `exe` of a process of this session.
pub fn behind(path: &[u8]) -> Option<Replacement> {
    let own = || Replacement::new(PROGRAM.path().to_bytes());
    let pid = match process_of(path)? {
        Named::Own => return own(),
        Named::Number(pid) => pid,
    };
    if Some(pid) == pid_in_proc() {
        return own();
    }
    let program = session::members()?.program_of(pid)?;
    // The number may be another process's by now.
    let mut line = Line::new();
    line.text("/proc/").decimal(i64::from(pid)).raw(b"/exe\0");
    let theirs = CStr::from_bytes_with_nul(line.bytes()).ok()?;
    let (mut a, mut b) = ([0; 512], [0; 512]);
    let same = sys::readlink(sys::CWD, theirs, &mut a).ok()?
        == sys::readlink(sys::CWD, c"/proc/self/exe", &mut b).ok()?;
    same.then(|| Replacement::new(program))?
}

/// The path of a call that has succeeded, as it was given.
fn given<'a>(call: &Call<'_>, result: isize, path: usize) -> Option<&'a [u8]> {
    let address = call.args[path];
    if result < 0 || address == 0 {
        return None;
    }
    // SAFETY: a call that succeeded has read a NUL-terminated path there.
    Some(unsafe { CStr::from_ptr(address as *const c_char) }.to_bytes())
}

/// What a call with the path argument at index `path`, behind a dirfd if that is not the first
/// argument, was meant for; `None` when it failed or its path is nothing special.
fn replaced(call: &Call<'_>, result: isize, path: usize) -> Option<Replacement> {
    named(call, path, given(call, result, path)?)
}

/// What a call was meant for whose path argument, at index `path`, is `given`.
fn named(call: &Call<'_>, path: usize, given: &[u8]) -> Option<Replacement> {
    if !given.ends_with(b"exe") {
        return None;
    }
    if given.starts_with(b"/") {
        return behind(given);
    }
    let dirfd = if path == 1 { call.args[0] as i32 } else { sys::CWD };
    let mut buffer = [0; 256];
    let folder = if dirfd == sys::CWD {
        sys::getcwd(&mut buffer).ok()?
    } else {
        path_of(dirfd, &mut buffer)?
    };
    let mut joined = Line::new();
    joined.raw(folder).raw(b"/").raw(given);
    behind(joined.bytes())
}

/// `readlink(2)`, `readlinkat(2)`; `path` is the index of the path argument.
pub fn readlink(call: &mut Call<'_>, path: usize) -> isize {
    // Before the call is made: what the kernel puts behind the end of a shorter path would stay there.
    let mut bytes = [0; PATH_MAX];
    let given = User::<u8>::new(call.args[path]).string(&mut bytes);
    let program = given.ok().and_then(|given| named(call, path, given.to_bytes()));
    let (buffer, room) = (call.args[path + 1], call.args[path + 2]);
    let Some(program) = program.filter(|_| room as i32 > 0) else { return call.pass() };
    let length = program.length.min(room as i32 as usize);
    call.args[path + 2] = length;
    let result = call.pass();
    call.args[path + 2] = room;
    if result < 0 {
        return result;
    }
    // The kernel has filled `result` bytes, and the rest of the buffer may not be there.
    if length > result as usize
        && let Err(error) = crate::memory::writable(buffer, length)
    {
        return sys::raw(Err(error));
    }
    // SAFETY: the kernel, or the check above, has written there.
    unsafe {
        core::ptr::copy_nonoverlapping(program.bytes().as_ptr(), buffer as *mut u8, length);
    }
    length as isize
}

/// `open(2)`, `openat(2)`: the program's file is opened at the number that vload's took.
pub fn open(call: &mut Call<'_>, path: usize) -> isize {
    const O_PATH: usize = 0o10_000_000;
    const O_NOFOLLOW: usize = crate::arch::numbers::O_NOFOLLOW;
    let result = call.pass();
    let flags = call.args[path + 1];
    if flags & O_PATH != 0 && flags & O_NOFOLLOW != 0 {
        // The link itself is meant.
        return result;
    }
    let Some(program) = replaced(call, result, path) else {
        if flags & O_PATH == 0
            && let Some(name) = given(call, result, path)
        {
            maps::opened(call, result as i32, name);
        }
        return result;
    };
    sys::close(result as i32);
    again(call, path, &program)
}

/// `stat(2)`, `newfstatat(2)`, `statx(2)`, `access(2)` and their likes.
pub fn stat(call: &mut Call<'_>, path: usize, follows: bool) -> isize {
    let result = call.pass();
    if !follows {
        return result;
    }
    match replaced(call, result, path) {
        Some(program) => again(call, path, &program),
        None => result,
    }
}

/// Makes the call with another path.
fn again(call: &mut Call<'_>, path: usize, program: &Replacement) -> isize {
    let given = core::mem::replace(&mut call.args[path], program.bytes.as_ptr() as usize);
    let result = call.pass();
    call.args[path] = given;
    result
}

#[cfg(test)]
mod tests {
    use super::{Named, process_of};

    #[test]
    fn paths_that_name_an_exe() {
        assert_eq!(process_of(b"/proc/12/exe"), Some(Named::Number(12)));
        assert_eq!(process_of(b"/proc/12/task/13/exe"), Some(Named::Number(12)));
        assert_eq!(process_of(b"/proc/self/exe"), Some(Named::Own));
        for other in [&b"/proc/12/exe2"[..], b"/proc/exe", b"/proc/12/cwd/exe", b"/tmp/exe", b"exe"]
        {
            assert_eq!(process_of(other), None);
        }
    }
}
