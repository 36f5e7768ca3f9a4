//! The signals that were held back from a thread (`mask.rs`).

use super::bit;
use super::deliver::is_for_thread;
use super::mask::CANDIDATES;
use crate::arch::SigInfo;

/// Signals that were held back from a thread that believes it blocks them: sent to its process, and to itself.
pub struct Pending([[Option<SigInfo>; CANDIDATES.len()]; 2]);

impl Pending {
    /// None.
    pub const fn none() -> Self {
        Self([const { [None; CANDIDATES.len()] }; 2])
    }

    /// Drops them.
    pub fn forget(&mut self) {
        *self = Self::none();
    }

    /// Keeps one. `false`: it is none that is held back.
    pub(super) fn keep(&mut self, signal: i32, info: &SigInfo) -> bool {
        let Some(index) = CANDIDATES.iter().position(|&one| one == signal) else { return false };
        let queue = &mut self.0[usize::from(is_for_thread(info))];
        // A standard signal is pending once (signal(7)).
        queue[index].get_or_insert(*info);
        true
    }

    /// Takes those of `set` out.
    pub(super) fn take(&mut self, set: u64, with: impl Fn(i32, &SigInfo)) {
        for (&signal, place) in CANDIDATES.iter().cycle().zip(self.0.as_flattened_mut()) {
            if set & bit(signal) != 0
                && let Some(info) = place.take()
            {
                with(signal, &info);
            }
        }
    }

    /// Their bits: of what was sent to the process, and to the thread.
    pub fn sets(&self) -> [u64; 2] {
        [0, 1].map(|queue| {
            let held = CANDIDATES.iter().zip(&self.0[queue]);
            held.fold(0, |set, (&signal, info)| set | if info.is_some() { bit(signal) } else { 0 })
        })
    }

    /// Their bits.
    pub(super) fn set(&self) -> u64 {
        let [process, thread] = self.sets();
        process | thread
    }
}
