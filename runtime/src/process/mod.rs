//! Processes: how they start, become another program, and end.

mod argument_limit;
mod check;
mod clone;
mod configure;
pub mod copying;
mod dispatch;
mod exec;
mod exit;
mod landlock;
mod misc;
pub mod option;
mod personality;
pub mod resolve;
mod resumed;
pub mod spill;
mod traced;

pub use clone::{clone, clone_compat, vload_child_start};
pub use configure::configure;
pub use dispatch::{Course, Dispatch, judge as judge_dispatch};
pub use exec::{ExecRequest, exec, exec_compat};
pub use exit::{exit, exit_group};
pub use landlock::landlock_restrict_self;
pub use misc::{Match, entry_for};
pub use personality::{personality, read_implies_exec, set_read_implies_exec};
pub use resumed::{OPTIONS, Options, PRIVATE_ARGUMENTS, Resumed};
pub use traced::ptrace;

use core::sync::atomic::{AtomicUsize, Ordering};

/// `prctl(2)`.
pub fn prctl(call: &mut crate::layer::Call<'_>) -> isize {
    match call.args[0] {
        dispatch::PR_SET_SYSCALL_USER_DISPATCH => dispatch::set(call),
        crate::view::PR_GET_AUXV => crate::view::get_auxv(call),
        _ => crate::seccomp::prctl(call),
    }
}

static HWCAP2: AtomicUsize = AtomicUsize::new(0);

/// Records `AT_HWCAP2`.
pub fn set_hwcap2(bits: usize) {
    HWCAP2.store(bits, Ordering::Relaxed);
}

/// `AT_HWCAP2`: what the processor and the kernel offer programs.
pub fn hwcap2() -> usize {
    HWCAP2.load(Ordering::Relaxed)
}

static PAGE_SIZE: AtomicUsize = AtomicUsize::new(4096);

/// Records `AT_PAGESZ`.
pub fn set_page_size(size: usize) {
    PAGE_SIZE.store(size, Ordering::Relaxed);
}

/// Bytes of a page.
pub fn page_size() -> usize {
    PAGE_SIZE.load(Ordering::Relaxed)
}
