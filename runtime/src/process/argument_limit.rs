//! Whether a script's arguments still fit when its interpreter, the interpreter's argument and the
//! script's path are added (`copy_strings_kernel` against `bprm->argmin`, fs/exec.c).

use core::ffi::{CStr, c_char};

use super::exec::{ExecRequest, count_words};
use crate::image::Script;
use crate::memory::read_words;
use crate::sys::{self, Errno, Result};

// include/linux/binfmts.h, include/uapi/linux/limits.h, include/uapi/linux/resource.h.
const STACK_LIMIT: u64 = 8 << 20;
const ARG_MAX: u64 = 131_072;
const RLIMIT_STACK: u32 = linux_raw_sys::general::RLIMIT_STACK;

/// The room that one exec has, and what is used of it.
pub struct Room {
    left: u64,
}

impl Room {
    /// For an exec whose vectors the kernel has just read; `name` is the file's.
    pub fn of(request: &ExecRequest, name: &CStr) -> Result<Self> {
        let arguments = count_words(request.argv)?;
        let environment = count_words(request.envp)?;
        // bprm_stack_limits.
        let stack = sys::limit(RLIMIT_STACK)?.soft;
        let limit = (stack / 4).clamp(ARG_MAX, STACK_LIMIT / 4 * 3);
        let pointers = (arguments.max(1) + environment) * size_of::<usize>();
        let strings = name.to_bytes_with_nul().len() as u64
            + strings(request.envp, 0, environment)?
            // The first argument makes room for what comes in its place.
            + strings(request.argv, 1, arguments)?;
        let left = limit.checked_sub(pointers as u64 + strings).ok_or(Errno::TOOBIG)?;
        Ok(Self { left })
    }

    /// Takes what one `#!` line adds. A further line replaces the interpreter, which was the first
    /// argument by then.
    pub fn take(&mut self, script: &Script, path: &CStr) -> Result<()> {
        let argument = script.argument().map_or(0, |text| text.to_bytes_with_nul().len());
        let added = script.interp().to_bytes_with_nul().len() + argument;
        let needed = (added + path.to_bytes_with_nul().len()) as u64;
        if needed > self.left {
            return Err(Errno::TOOBIG);
        }
        self.left -= needed - script.interp().to_bytes_with_nul().len() as u64;
        Ok(())
    }
}

/// Bytes of the strings of a vector from index `first` on.
fn strings(vector: usize, first: usize, count: usize) -> Result<u64> {
    let mut total = 0;
    for index in first..count {
        let mut word = [0usize];
        read_words(vector + index * size_of::<usize>(), &mut word)?;
        if word[0] == 0 {
            break;
        }
        // SAFETY: the kernel read a NUL-terminated string there for AT_EXECVE_CHECK.
        let string = unsafe { CStr::from_ptr(word[0] as *const c_char) };
        total += string.to_bytes_with_nul().len() as u64;
    }
    Ok(total)
}
