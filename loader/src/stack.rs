//! The initial stack as the kernel would have built it (`create_elf_tables`, fs/binfmt_elf.c, and
//! `copy_strings`, fs/exec.c), in place of the one it built for vload: the stack still grows, is
//! still what `[stack]` names, and holds nothing of vload's.
//!
//! ```text
//! sp → argc, argv, NULL, envp, NULL, auxiliary vector, AT_NULL
//!      the 16 bytes of AT_RANDOM, the strings of AT_BASE_PLATFORM and AT_PLATFORM
//!      a random distance
//!      strings: arguments, environment, AT_EXECFN
//!      a null word
//! ```

use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::auxv::{AT_BASE_PLATFORM, AT_EXECFN, AT_NULL, AT_PLATFORM, AT_RANDOM};
use crate::vectors::{Vectors, string};

/// What goes on the stack.
pub struct Contents<'a> {
    /// The arguments, as addresses of strings.
    pub argv: &'a [usize],
    /// The same for the environment.
    pub envp: &'a [usize],
    /// The auxiliary vector without the AT_NULL. Entries that point to what lies on the stack are
    /// changed to where it comes to lie.
    pub auxv: &'a mut [[usize; 2]],
    /// `AT_EXECFN`.
    pub execfn: &'a CStr,
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

/// Bytes of `AT_RANDOM`.
const RANDOM: usize = 16;

/// Builds the stack at the place of the kernel's.
///
/// # Safety
/// The caller must run on another stack, and nothing on the kernel's but what `contents` points to
/// may be needed any more.
pub unsafe fn build(contents: Contents<'_>, old: &Vectors) -> Built {
    let Contents { argv, envp, auxv, execfn } = contents;
    // Everything is copied away first: the old strings lie where the new ones go.
    let arguments = Strings::copy(argv);
    let environment = Strings::copy(envp);
    let execfn = execfn.to_owned();
    let distance = distance(old);
    let mut small: Vec<(u32, Vec<u8>)> = Vec::new();
    // From the highest down.
    for kind in [AT_PLATFORM, AT_BASE_PLATFORM, AT_RANDOM] {
        let Some(pair) = auxv.iter().find(|pair| pair[0] as u32 == kind) else { continue };
        let bytes: &[u8] = match kind {
            // SAFETY: the kernel put 16 bytes there.
            AT_RANDOM => unsafe { core::slice::from_raw_parts(pair[1] as *const u8, RANDOM) },
            _ => string(pair[1]).to_bytes_with_nul(),
        };
        small.push((kind, bytes.into()));
    }

    // SAFETY: the caller's promise, for all that is pushed below.
    let mut stack = unsafe { Downward::from(top(old)) };
    stack.push(&0usize.to_ne_bytes());
    let name = stack.push(execfn.as_bytes_with_nul());
    let env = stack.push(&environment.bytes);
    let args = stack.push(&arguments.bytes);
    stack.at -= distance;
    stack.align(16);
    for (kind, bytes) in &small {
        let at = stack.push(bytes);
        set(auxv, *kind, at);
    }
    set(auxv, AT_EXECFN, name);

    let mut words = Vec::new();
    words.push(argv.len());
    words.extend(arguments.starts.iter().map(|start| args + start));
    words.push(0);
    words.extend(environment.starts.iter().map(|start| env + start));
    words.push(0);
    words.extend(auxv.iter().flatten());
    words.extend([AT_NULL as usize, 0]);
    let size = size_of_val(&words[..]);
    stack.at -= size;
    stack.align(16);
    let sp = stack.at;
    // SAFETY: `size` bytes from `sp` on lie below what was pushed.
    unsafe { core::ptr::copy_nonoverlapping(words.as_ptr(), sp as *mut usize, words.len()) };
    Built {
        sp,
        args: (args, args + arguments.bytes.len()),
        env: (env, env + environment.bytes.len()),
    }
}

/// One past the null word at the very top: behind the name by which vload was executed.
fn top(old: &Vectors) -> usize {
    let name = old.aux(AT_EXECFN).map(string);
    match name {
        Some(name) => name.as_ptr() as usize + name.to_bytes_with_nul().len() + size_of::<usize>(),
        // An emulator that gives none: below the strings there is room in any case.
        None => old.end,
    }
}

/// How far below the strings the kernel put what follows them: at random, unless addresses are not to
/// be (`arch_align_stack`, arch/x86/kernel/process.c and its likes). An emulator may have another order.
fn distance(old: &Vectors) -> usize {
    const MOST: usize = 8192 + 16;
    let end = |pair: &[usize; 2]| match pair[0] as u32 {
        AT_PLATFORM | AT_BASE_PLATFORM => Some(pair[1] + string(pair[1]).count_bytes() + 1),
        AT_RANDOM => Some(pair[1] + RANDOM),
        _ => None,
    };
    let strings = old.argv.iter().chain(old.envp).copied().next().or(old.aux(AT_EXECFN));
    let below = old.auxv.iter().filter_map(end).max();
    let distance = strings.zip(below).and_then(|(strings, below)| strings.checked_sub(below));
    // The rest is what aligning below strings of another length has left.
    distance.filter(|&distance| distance < MOST).unwrap_or(0) & !15
}

fn set(auxv: &mut [[usize; 2]], kind: u32, value: usize) {
    for pair in auxv.iter_mut().filter(|pair| pair[0] == kind as usize) {
        pair[1] = value;
    }
}

/// Strings one behind the other.
struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Strings {
    fn copy(addresses: &[usize]) -> Self {
        let mut copied = Self { bytes: Vec::new(), starts: Vec::with_capacity(addresses.len()) };
        for &address in addresses {
            copied.starts.push(copied.bytes.len());
            copied.bytes.extend_from_slice(string(address).to_bytes_with_nul());
        }
        copied
    }
}

/// A stack that is filled downward.
struct Downward {
    at: usize,
}

impl Downward {
    /// # Safety
    /// All below `top` must be unused stack.
    unsafe fn from(top: usize) -> Self {
        Self { at: top }
    }

    fn push(&mut self, bytes: &[u8]) -> usize {
        self.at -= bytes.len();
        // SAFETY: below the top of `from`, whose caller promised that it is unused.
        unsafe {
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at as *mut u8, bytes.len());
        }
        self.at
    }

    fn align(&mut self, to: usize) {
        self.at &= !(to - 1);
    }
}
