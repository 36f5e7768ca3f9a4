//! The calls of the table that newer architectures share (include/uapi/asm-generic/unistd.h).

use crate::layer::Legacy;
use linux_raw_sys::general as nr;

pub use super::numbers64::*;
pub use super::one_way_in::{compat_maps, is_x32_exec, native_of_compat};

const STATX: usize = nr::__NR_statx as usize;
const SETRLIMIT: usize = nr::__NR_setrlimit as usize;
const NEWFSTATAT: usize = nr::__NR_newfstatat as usize;

/// The kernel whose `rt_sigreturn` restores the alternate stack before the registers: none does.
pub const ALTSTACK_FIRST: (u32, u32) = (u32::MAX, 0);

/// Whether `number` is `dup2`: there is only `dup3`.
pub fn is_dup2(_number: usize) -> bool {
    false
}

/// What the system layer wants on this architecture alone.
pub const WANTED: &[usize] = &[NEWFSTATAT, SETRLIMIT];

/// Where a call of the `stat` family has put the length of the file: the address of the low word.
pub fn stat_size(number: usize, args: &[usize; 6]) -> Option<usize> {
    /// `st_size` of `struct stat` (asm-generic/stat.h).
    const SIZE_AT: usize = 48;
    Some(match number {
        NEWFSTATAT => args[2] + SIZE_AT,
        // `stx_size` (linux/stat.h).
        STATX => args[4] + 40,
        _ => return None,
    })
}

/// The calls that not every architecture's table has.
pub fn legacy(number: usize) -> Option<Legacy> {
    match number {
        NEWFSTATAT => Some(Legacy::Fstatat),
        SETRLIMIT => Some(Legacy::SetLimit),
        _ => None,
    }
}

/// The flags of a call that starts a process, if `number` is one without a flags argument: there
/// is none.
pub fn implied_clone_flags(_number: usize) -> Option<usize> {
    None
}
