//! `landlock_restrict_self(2)`. vload's own file is executed again for every program that the target starts, which a ruleset
//! that does not name it forbids: it is added to each. Where the kernel cannot be asked what may be executed (before Linux
//! 6.14) it is not: all programs could be.

use crate::layer::Call;
use crate::sys;
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_EXECVE_CHECK};

/// `LANDLOCK_ACCESS_FS_EXECUTE` and `LANDLOCK_ACCESS_FS_READ_FILE`, which an exec needs both, and each alone for a ruleset
/// that is about one of them (linux/landlock.h).
const RIGHTS: [u64; 3] = [1 | 1 << 2, 1, 1 << 2];

/// `landlock_restrict_self(2)`.
pub fn landlock_restrict_self(call: &mut Call<'_>) -> isize {
    let exe = call.descriptors().exe.get();
    if may_execute(exe) {
        let rules = call.args[0] as i32;
        // One that is about neither needs no rule, and what is no ruleset the call itself will find.
        let _ = RIGHTS.into_iter().any(|rights| sys::landlock_allow(rules, exe, rights).is_ok());
    }
    call.pass()
}

/// Whether vload may be executed, and the kernel, which says so, be asked of other programs.
fn may_execute(exe: i32) -> bool {
    let argv = [c"".as_ptr() as usize, 0];
    let flags = (AT_EMPTY_PATH | AT_EXECVE_CHECK) as usize;
    let (argv, envp) = (argv.as_ptr() as usize, argv[1..].as_ptr() as usize);
    sys::execveat(exe, c"", argv, envp, flags).is_ok()
}
