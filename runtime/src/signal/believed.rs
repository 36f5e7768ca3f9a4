//! What a thread believes of its signals, as `/proc/PID/status` shall say it: of this process or of another of the
//! session, read where its vload keeps it.

use core::mem::offset_of;

use super::mask::CANDIDATES;
use super::pending::waiting;
use super::{Action, Pending, SIGCALL, SigHand, bit};
use crate::arch::KernelAction;
use crate::memory::User;
use crate::memory::guard::Peer;
use crate::sys::Result;
use crate::thread::{BLOCK_COUNT, Block, NEXT_BLOCK, POOL};

/// A set of signals as it is and as the kernel has it: what of the kernel's is so, and what is besides.
#[derive(Clone, Copy)]
pub struct Set {
    /// The signals of which the kernel says the truth.
    pub kernels: u64,
    /// The others that are in the set.
    pub others: u64,
}

impl Set {
    /// What the kernel says.
    const KERNELS: Self = Self { kernels: !0, others: 0 };

    /// The set of which the kernel says `set`.
    pub fn of(self, set: u64) -> u64 {
        set & self.kernels | self.others
    }
}

/// The sets of a thread, in the order of `/proc/PID/status`.
#[derive(Clone, Copy)]
pub struct Believed(pub [Set; 5]);

/// Sent to the thread, and to its process; blocked, ignored, with a handler.
const PENDING: usize = 0;
const SHARED: usize = 1;
const BLOCKED: usize = 2;
const IGNORED: usize = 3;
const CAUGHT: usize = 4;

/// A word, or half of one, of this process or another one.
fn read<T: Copy + Default>(peer: Option<&Peer>, address: usize) -> Result<T> {
    match peer {
        None => User::<T>::new(address).read_again(),
        Some(peer) => {
            let mut value = [T::default()];
            peer.read_at(address, &mut value)?;
            Ok(value[0])
        }
    }
}

/// Threads that a machine has at most (`PID_MAX_LIMIT`, include/linux/threads.h).
const MOST: usize = 1 << 22;

/// The block of thread `tid`, of this process or another one.
pub fn block_of(peer: Option<&Peer>, tid: i32) -> Result<Option<usize>> {
    let pool = (&raw const POOL).addr();
    let pool = peer.map_or(pool, |peer| peer.there(pool));
    let count: usize = read(peer, pool + BLOCK_COUNT)?;
    let mut block: usize = read(peer, pool)?;
    // What another process has there may lead round in a circle.
    for _ in 0..count.min(MOST) {
        if block == 0 {
            break;
        }
        let state: u32 = read(peer, block + offset_of!(Block, state))?;
        if state == 1 && read::<i32>(peer, block + offset_of!(Block, tid))? == tid {
            return Ok(Some(block));
        }
        block = read(peer, block + NEXT_BLOCK)?;
    }
    Ok(None)
}

impl Believed {
    /// Of thread `tid`; as the kernel has it where no block is its.
    pub fn of(peer: Option<&Peer>, tid: i32) -> Result<Self> {
        let mut all = [Set::KERNELS; 5];
        let Some(block) = block_of(peer, tid)? else { return Ok(Self(all)) };
        all[BLOCKED].others = read(peer, block + offset_of!(Block, blocked))?;
        let own = Block::own();
        if peer.is_none() && block == core::ptr::from_ref(own).addr() {
            // While a signal is held all are blocked in the kernel.
            if super::is_held(own) {
                all[BLOCKED].kernels = 0;
                all[BLOCKED].others |= own.exit_mask;
            }
        }
        let handlers: usize = read(peer, block + offset_of!(Block, sighand))?;
        let process = read(peer, block + offset_of!(Block, process))?;
        let own = block + offset_of!(Block, pending) + Pending::STATE;
        for (set, at) in [(PENDING, own), (SHARED, handlers + SigHand::SHARED)] {
            all[set].others = waiting(read(peer, at)?, process);
        }
        for signal in CANDIDATES.into_iter().chain([SIGCALL]) {
            let at = handlers + SigHand::offset_of(signal) + offset_of!(KernelAction, handler);
            let action = Action::of_handler(read(peer, at)?);
            for (set, is_in) in [
                (IGNORED, action.is_ignore()),
                (CAUGHT, !action.is_ignore() && !action.is_default()),
            ] {
                all[set].kernels &= !bit(signal);
                all[set].others |= if is_in { bit(signal) } else { 0 };
            }
        }
        Ok(Self(all))
    }
}
