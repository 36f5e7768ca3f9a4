//! The initial stack as the kernel would have built it (`create_elf_tables`, fs/binfmt_elf.c), on
//! the kernel's own stack: it still grows, and is still what `[stack]` names.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::auxv::AT_NULL;
use crate::vectors::string;

/// What goes on the stack.
pub struct Contents<'a> {
    /// The arguments, as addresses of strings that stay where they are.
    pub argv: &'a [usize],
    /// The same for the environment.
    pub envp: &'a [usize],
    /// The auxiliary vector without the AT_NULL. `AT_EXECFN` is put in by [`build`].
    pub auxv: &'a mut [[usize; 2]],
    /// `AT_EXECFN`.
    pub execfn: &'a CStr,
    /// Whether the arguments' strings are copied, one behind the other, because they do not lie so
    /// already; and the environment's.
    pub copy: (bool, bool),
}

/// Where things came to lie.
pub struct Built {
    /// The stack pointer: argc.
    pub sp: usize,
    /// The arguments' strings, first to one past the last.
    pub args: (usize, usize),
    /// The environment's.
    pub env: (usize, usize),
}

/// Builds the stack below `end`; what lies above stays.
///
/// # Safety
/// Everything below `end` must be unused stack: the caller runs on another one, and the vectors in
/// `contents` are copies.
pub unsafe fn build(contents: Contents<'_>, end: usize) -> Built {
    let mut top = end;
    let mut env: Vec<usize> = contents.envp.into();
    if contents.copy.1 {
        // SAFETY: the caller's promise.
        top = unsafe { push_strings(&mut env, top) };
    }
    let mut argv: Vec<usize> = contents.argv.into();
    if contents.copy.0 {
        // SAFETY: the caller's promise.
        top = unsafe { push_strings(&mut argv, top) };
    }
    let (args_range, env_range) = (extent(&argv), extent(&env));
    let name = contents.execfn.to_bytes_with_nul();
    top -= name.len();
    let execfn = top;
    // SAFETY: below `end`.
    unsafe { core::ptr::copy_nonoverlapping(name.as_ptr(), execfn as *mut u8, name.len()) };
    for pair in contents.auxv.iter_mut() {
        if pair[0] == crate::auxv::AT_EXECFN as usize {
            pair[1] = execfn;
        }
    }
    let words = 1 + argv.len() + 1 + env.len() + 1 + 2 * (contents.auxv.len() + 1);
    let sp = (top - words * size_of::<usize>()) & !15;
    let mut at = sp as *mut usize;
    let mut push = |word: usize| {
        // SAFETY: `words` words fit between `sp` and `top`.
        unsafe {
            at.write(word);
            at = at.add(1);
        }
    };
    push(argv.len());
    argv.iter().copied().chain([0]).for_each(&mut push);
    env.iter().copied().chain([0]).for_each(&mut push);
    for pair in contents.auxv.iter().chain([&[AT_NULL as usize, 0]]) {
        push(pair[0]);
        push(pair[1]);
    }
    Built { sp, args: args_range, env: env_range }
}

/// Copies strings, in order, to below `top`; gives the new top.
///
/// # Safety
/// Everything below `top` must be unused stack.
unsafe fn push_strings(strings: &mut [usize], top: usize) -> usize {
    let mut at = top;
    for place in strings.iter_mut().rev() {
        let bytes = string(*place).to_bytes_with_nul();
        at -= bytes.len();
        // SAFETY: the caller's promise; `push_strings` is never given strings that lie there.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
        *place = at;
    }
    at
}

fn extent(strings: &[usize]) -> (usize, usize) {
    let start = strings.first().copied().unwrap_or(0);
    let end = strings.last().map_or(0, |&last| last + string(last).to_bytes_with_nul().len());
    (start, end)
}
