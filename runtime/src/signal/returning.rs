//! [`SIGCALL`]s on their way back to the kernel, when the process becomes another program.
//!
//! One that was sent to the process, and found a thread that believes it blocked, is sent again to the process
//! (`mask.rs`). The kernel then gives it to any thread whose mask has it open, which does the same, until all that
//! it found block it. Whoever has it at that moment ends with an exec of another thread, and the signal with it;
//! natively it waits for the new program (execve(2)).

use core::sync::atomic::{AtomicI32, Ordering};

use super::{SIGCALL, bit, deliver};
use crate::arch::SigInfo;
use crate::sys::{self, Errno};

/// The process that was sent one again; 0 for none. A child of a vfork has its parent's memory, and signals of its own.
static SENT: AtomicI32 = AtomicI32::new(0);

/// Nanoseconds in which it comes back, if nobody has taken it since.
const LIMIT: i64 = 1_000_000_000;

/// How many are looked after.
const MOST: usize = 8;

/// The calling thread is about to send what has come again.
pub fn sent(info: &SigInfo) {
    if !deliver::is_for_thread(info) {
        SENT.store(sys::getpid(), Ordering::SeqCst);
    }
}

/// Makes those that are on their way the calling thread's own, which blocks them: it alone lives on.
pub fn take() {
    let sent = SENT.load(Ordering::SeqCst);
    if sent == 0 || sent != sys::getpid() {
        return;
    }
    // One that was taken is not waited for twice, when the exec fails.
    SENT.store(0, Ordering::SeqCst);
    let mut taken = [const { None }; MOST];
    let mut limit = LIMIT;
    for place in &mut taken {
        let info = match sys::wait_for_info(bit(SIGCALL), Some(limit)) {
            // Another signal has come, and all are blocked from here on.
            Err(Errno::INTR) => sys::wait_for_info(bit(SIGCALL), Some(limit)),
            other => other,
        };
        let Ok((_, info)) = info else { break };
        *place = Some(info);
        limit = 0;
    }
    for info in taken.iter().flatten() {
        deliver::again(SIGCALL, info);
    }
}
