//! Calls and constants that are the same wherever words are 64 bits wide.

use linux_raw_sys::general as nr;

/// `newfstatat`, and what it fills.
pub const FSTATAT: u32 = nr::__NR_newfstatat;
/// `fstat`, which fills the same.
pub const FSTAT: usize = nr::__NR_fstat as usize;
/// See [`FSTATAT`].
pub type RawStat = nr::stat;
/// The `sigreturn` of seccomp's strict mode (asm/seccomp.h).
pub const STRICT_SIGRETURN: u32 = nr::__NR_rt_sigreturn;
/// `fcntl` (`fcntl64` on 32-bit machines).
pub const FCNTL: u32 = nr::__NR_fcntl;
/// Of the calls that other architectures do not have, those that are wanted to hide vload alone (`layer/system.rs`).
pub const VIEWS: &[usize] = &[];
/// `F_SETLKW` of a structure with 64-bit offsets.
pub const F_SETLKW64: u32 = nr::F_SETLKW;
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
