//! Whether the vectors of an exec fit: for kernels that cannot be asked (`do_execveat_common`,
//! fs/exec.c), and for what a script adds to them: its interpreter, the interpreter's argument and
//! its path (`copy_string_kernel` against `bprm->argmin`).

use core::ffi::CStr;

use super::exec::{ExecRequest, count_words};
use crate::image::Script;
use crate::memory::{User, read_words};
use crate::sys::{self, Errno, Result};

// include/linux/binfmts.h, include/uapi/linux/limits.h, include/uapi/linux/resource.h.
const STACK_LIMIT: u64 = 8 << 20;
const ARG_MAX: u64 = 131_072;
const RLIMIT_STACK: u32 = linux_raw_sys::general::RLIMIT_STACK;

/// The longest string with its NUL (`MAX_ARG_STRLEN`).
pub fn longest_string() -> usize {
    32 * super::page_size()
}

/// The room that one exec has, and what is used of it.
pub struct Room {
    left: u64,
    /// Bytes of the first argument, which makes room for what a script puts in its place.
    first: u64,
}

impl Room {
    /// For an exec of a file by that name. `EFAULT` and `E2BIG` are the kernel's, in its order.
    pub fn of(request: &ExecRequest, name: &CStr) -> Result<Self> {
        let arguments = count_words(request.argv)?;
        let environment = count_words(request.envp)?;
        // bprm_stack_limits.
        let stack = sys::limit(RLIMIT_STACK)?.soft;
        let limit = (stack / 4).clamp(ARG_MAX, STACK_LIMIT / 4 * 3);
        let pointers = (arguments.max(1) + environment) * size_of::<usize>();
        let left = limit.checked_sub(pointers as u64).ok_or(Errno::TOOBIG)?;
        let mut room = Self { left, first: 0 };
        room.fill(name.to_bytes_with_nul().len() as u64)?;
        // From the last string to the first (copy_strings).
        for index in (0..environment).rev() {
            room.fill(length(request.envp, index)?)?;
        }
        for index in (0..arguments).rev() {
            room.first = length(request.argv, index)?;
            room.fill(room.first)?;
        }
        if arguments == 0 {
            // The kernel makes one that is empty.
            room.first = 1;
            room.fill(1)?;
        }
        Ok(room)
    }

    fn fill(&mut self, bytes: u64) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or(Errno::TOOBIG)?;
        Ok(())
    }

    /// Takes what one `#!` line adds. A further line replaces the interpreter, which was the first
    /// argument by then.
    pub fn take(&mut self, script: &Script, path: &CStr) -> Result<()> {
        self.left += core::mem::take(&mut self.first);
        let argument = script.argument().map_or(0, |text| text.to_bytes_with_nul().len());
        let added = script.interp().to_bytes_with_nul().len() + argument;
        let needed = (added + path.to_bytes_with_nul().len()) as u64;
        self.fill(needed)?;
        self.first = script.interp().to_bytes_with_nul().len() as u64;
        Ok(())
    }
}

/// Bytes of the string at `index` of a vector.
fn length(vector: usize, index: usize) -> Result<u64> {
    let mut word = [0usize];
    read_words(vector + index * size_of::<usize>(), &mut word)?;
    Ok(User::<u8>::new(word[0]).length(longest_string())? as u64)
}
