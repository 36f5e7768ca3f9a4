//! Call numbers and constants that differ between architectures.

use crate::layer::Legacy;
use linux_raw_sys::general as nr;

/// `newfstatat`, and what it fills.
pub const FSTATAT: u32 = nr::__NR_newfstatat;
/// See [`FSTATAT`].
pub type RawStat = nr::stat;
/// The `sigreturn` of seccomp's strict mode (asm/seccomp.h).
pub const STRICT_SIGRETURN: u32 = nr::__NR_rt_sigreturn;
/// `fcntl` (`fcntl64` on 32-bit machines).
pub const FCNTL: u32 = nr::__NR_fcntl;
/// `mmap` (`mmap2` on 32-bit machines).
pub const MMAP: usize = nr::__NR_mmap as usize;
/// `clock_gettime` with 64-bit times (`clock_gettime64` on 32-bit machines).
pub const CLOCK_GETTIME: u32 = nr::__NR_clock_gettime;
/// `geteuid` with a 32-bit id (`geteuid32` on 32-bit machines).
pub const GETEUID: u32 = nr::__NR_geteuid;
/// `getegid`.
pub const GETEGID: u32 = nr::__NR_getegid;
/// `O_NOFOLLOW`.
pub const O_NOFOLLOW: usize = nr::O_NOFOLLOW as usize;

const STATX: usize = nr::__NR_statx as usize;
const SETRLIMIT: usize = nr::__NR_setrlimit as usize;
const NEWFSTATAT: usize = nr::__NR_newfstatat as usize;

/// Whether `number` is the x32 `execve`: there is no such table.
pub fn is_x32_exec(_number: usize) -> bool {
    false
}

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

/// What the number of a call that enters the other way means natively.
pub enum Compat {
    /// The native call of this number, with the same arguments.
    Same(usize),
    /// `execve(2)` with 32-bit vectors.
    Exec,
}

/// There is no other way to enter.
pub fn native_of_compat(_number: usize) -> Option<Compat> {
    None
}

/// Whether a call of another table can map executable memory: there is none.
pub fn compat_maps(_number: usize) -> bool {
    false
}
