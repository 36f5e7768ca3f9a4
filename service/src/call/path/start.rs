//! What is shared with whom: threads and processes that are started, and `unshare`.

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::Errno;
use vload_module::abi::Call;

use crate::claim::target::raw;
use crate::path::{fs, known};
use crate::vload;

/// What a call starts a thread or process with.
fn flags(call: &Call, name: &str) -> u64 {
    match name {
        // The first word of `struct clone_args`. What cannot be read the kernel refuses.
        "clone3" => vload::get::<u64>(call.arguments[0]).unwrap_or(0),
        "clone" => call.arguments[0] as u64,
        "vfork" => u64::from(nr::CLONE_VM | nr::CLONE_VFORK),
        _ => 0,
    }
}

/// `clone`, `clone3`, `fork`, `vfork`.
pub fn start(call: &mut Call, name: &str) -> c_long {
    let flags = flags(call, name);
    let has = |flag: u32| flags & u64::from(flag) != 0;
    if let Err(error) = fs::starting(flags) {
        return raw(Err(error));
    }
    if has(nr::CLONE_VM) && !has(nr::CLONE_FILES) {
        vload::lend();
    }
    let result = vload::next(call);
    fs::started(result < 0, !has(nr::CLONE_VM) || (has(nr::CLONE_VFORK) && result > 0));
    result
}

/// `unshare`.
pub fn unshare(call: &mut Call) -> c_long {
    let wanted = call.arguments[0] as u32;
    // A new user namespace has them too (`ksys_unshare`, kernel/fork.c), and a new mount namespace.
    if wanted & (nr::CLONE_FS | nr::CLONE_NEWNS | nr::CLONE_NEWUSER) == 0 {
        return vload::next(call);
    }
    if fs::leaving().is_err() {
        return raw(Err(Errno::NOMEM));
    }
    let result = vload::next(call);
    fs::left(result != 0);
    known::change();
    result
}

/// `setns`: the mounts may be others now.
pub fn enter(call: &mut Call) -> c_long {
    let result = vload::next(call);
    known::change();
    result
}
