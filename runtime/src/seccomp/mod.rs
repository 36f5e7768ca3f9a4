//! The target's own seccomp filters.
//!
//! They are installed as they are. The kernel asks them about every call, and does not tell whose it is:
//! vload's own calls, of which the program knows nothing, could end it. So the resident keeps a copy
//! of each filter and asks it first:
//!
//! - A call of vload's own that a filter would not let pass is not made ([`refuses`]); whoever
//!   wanted it does without, or goes another way.
//! - A call of the target's that a filter answers (an error, a trap, a kill) is made exactly as it
//!   came ([`answers`]), so that the kernel gives the answer, whatever the call means to vload.
//!
//! The copies belong to threads, as in the kernel: a thread hands its filters to those it starts,
//! and an exec to the program, in an argument of vload's own ([`text`], [`take`]).

pub mod bpf;
mod chain;
mod install;

pub use chain::{Chain, take, text};
pub use install::{prctl, seccomp};

use core::sync::atomic::{AtomicBool, Ordering};

use crate::abi::Entry;
use crate::arch;
use crate::layer::Call;
use bpf::Data;

/// What filters say of a call (`SECCOMP_RET_*`, linux/seccomp.h), without the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is made.
    Pass,
    /// It fails with an error of the filter's.
    Fail,
    /// Another process is asked, which may let it pass.
    Ask,
    /// A signal is sent instead of it, or the thread or the process ends.
    Stop,
}

/// Whether any filter is known: nothing is asked before.
static ANY: AtomicBool = AtomicBool::new(false);

fn verdict(action: u32) -> Verdict {
    const ACTION: u32 = 0xffff_0000;
    const ERRNO: u32 = 0x0005_0000;
    const USER_NOTIF: u32 = 0x7fc0_0000;
    const TRACE: u32 = 0x7ff0_0000;
    const LOG: u32 = 0x7ffc_0000;
    const ALLOW: u32 = 0x7fff_0000;
    match action & ACTION {
        ALLOW | LOG => Verdict::Pass,
        ERRNO => Verdict::Fail,
        USER_NOTIF | TRACE => Verdict::Ask,
        _ => Verdict::Stop,
    }
}

/// Whether a call of vload's own is not to be made, because a filter of the calling thread would not let
/// it pass. It fails with `ENOSYS` then, as where the kernel does not have it.
#[inline]
pub fn refuses(number: usize, args: &[usize; 6]) -> bool {
    ANY.load(Ordering::Relaxed) && judge_own(number, args) != Verdict::Pass
}

/// Whether a call from where vload makes its own would send a signal, or end the thread or the process.
pub fn stops(number: usize, args: &[usize; 6]) -> bool {
    ANY.load(Ordering::Relaxed) && judge_own(number, args) == Verdict::Stop
}

#[cold]
fn judge_own(number: usize, args: &[usize; 6]) -> Verdict {
    let Some(chain) = chain::of_caller() else { return Verdict::Pass };
    let data = Data {
        number: number as u32,
        arch: arch::AUDIT_ARCH,
        pc: arch::own_call_done() as u64,
        args: args.map(|argument| argument as u64),
    };
    verdict(chain.evaluate(&data))
}

/// Whether a filter answers the call instead of the kernel. What another process may let pass is not
/// yet answered.
#[inline]
pub fn answers(call: &Call<'_>) -> bool {
    ANY.load(Ordering::Relaxed) && matches!(judge(call), Verdict::Fail | Verdict::Stop)
}

/// Whether another process is asked about the call.
pub fn asks(call: &Call<'_>) -> bool {
    ANY.load(Ordering::Relaxed) && judge(call) == Verdict::Ask
}

#[cold]
fn judge(call: &Call<'_>) -> Verdict {
    let Some(chain) = call.block.filters.known() else { return Verdict::Pass };
    let data = Data {
        number: call.number as u32,
        arch: match call.entry {
            Entry::Native | Entry::X32 => arch::AUDIT_ARCH,
            Entry::Compat => arch::AUDIT_ARCH_COMPAT,
        },
        pc: arch::forwarded() as u64,
        args: call.args.map(|argument| argument as u64),
    };
    verdict(chain.evaluate(&data))
}
