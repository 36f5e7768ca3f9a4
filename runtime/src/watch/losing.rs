//! Calls after which there may be no `/proc`: what it alone tells is found out before.

use core::ffi::CStr;

use super::{gather, is_likely, is_on, one_at_a_time};
use crate::adopt;
use crate::arch::ABORTED;
use crate::layer::{self, Call, Reason};
use crate::memory::User;
use crate::sys::{self, Result};
use crate::thread::{POOL, others};
use crate::view;
use linux_raw_sys::general::{
    __NR_chroot, __NR_mount, __NR_setns, __NR_umount2, CLONE_NEWNS, O_CLOEXEC, O_DIRECTORY, O_PATH,
    PATH_MAX,
};

const CHROOT: usize = __NR_chroot as usize;
const MOUNT: usize = __NR_mount as usize;
const UMOUNT2: usize = __NR_umount2 as usize;
const SETNS: usize = __NR_setns as usize;

/// Makes a call that changes the tree of files: `chroot(2)`, `pivot_root(2)`, `mount(2)`, `umount2(2)` or `setns(2)`. In a
/// process with threads that may come to be watched, and that has no `/proc` afterwards, all calls are made in the
/// resident from then on, and it is known who was in one of a stub's before.
pub fn call_on_tree(call: &mut Call<'_>) -> isize {
    let loses = is_likely()
        && !is_on()
        && !adopt::is_adopted()
        && !layer::is_reason(Reason::Asleep)
        // The child of a vfork has a root of its own, and its parent's memory.
        && POOL.threads_of(sys::getpid()) > 1
        && others::is_proc_ours()
        && may_lose(call).unwrap_or(false);
    if !loses {
        return view::pass(call);
    }
    one_at_a_time(|| {
        if !is_on() {
            gather::note_sleepers(call.block);
        }
    });
    let result = view::pass(call);
    if result == ABORTED {
        // It is made again behind a signal's handler, and what has been found out holds.
        return result;
    }
    one_at_a_time(|| {
        if !is_on() && others::is_proc_ours() {
            gather::forget_sleepers();
        }
    });
    result
}

/// Whether there may be no `/proc` of ours after the call.
fn may_lose(call: &Call<'_>) -> Result<bool> {
    let [first, second, ..] = call.args;
    match call.number {
        CHROOT => with_path(first, |root| {
            let flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
            let root = sys::openat(sys::CWD, root, flags, 0)?;
            let ours = others::is_proc_of(root, c"proc/self");
            sys::close(root);
            Ok(!ours)
        }),
        UMOUNT2 => with_path(first, is_proc),
        // Over it, or it elsewhere.
        MOUNT => Ok(with_path(second, is_proc)? || with_path(first, is_proc).unwrap_or(false)),
        SETNS => Ok(second == 0 || second & CLONE_NEWNS as usize != 0),
        _ => Ok(true),
    }
}

/// By its name alone: to look at what is there might wait for ever, where the call is to take it away.
#[allow(clippy::unnecessary_wraps, reason = "as the others judge")]
fn is_proc(path: &CStr) -> Result<bool> {
    let mut names = path.to_bytes().rsplit(|&byte| byte == b'/').filter(|name| !name.is_empty());
    Ok(names.next() == Some(b"proc"))
}

fn with_path(address: usize, judge: impl FnOnce(&CStr) -> Result<bool>) -> Result<bool> {
    let mut path = [0; PATH_MAX as usize];
    judge(User::<u8>::new(address).string(&mut path)?)
}
