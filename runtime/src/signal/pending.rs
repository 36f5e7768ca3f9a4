//! Signals that wait for a thread, or for its process, because who was given them believes them blocked (`mask.rs`).

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use super::bit;
use super::mask::CANDIDATES;
use crate::arch::SigInfo;

const COUNT: usize = CANDIDATES.len();

/// Signals that wait. Any thread of the process keeps and takes them, none waits for another.
pub struct Pending {
    /// Bits of those that wait, above them of the places that are in use, in the order of `CANDIDATES`, and above these
    /// whose they are: processes can share handlers, with which they lie. 0: nothing.
    state: AtomicU32,
    infos: UnsafeCell<[SigInfo; COUNT]>,
}

// SAFETY: a place is written by who has set its bit of use, and read by who has cleared that of waiting.
unsafe impl Sync for Pending {}

/// What a state, read in whatever process, says to wait for `process`.
pub fn waiting(state: u32, process: i32) -> u64 {
    if state & !BITS != whose(process) {
        return 0;
    }
    let mut set = 0u32;
    for (index, signal) in CANDIDATES.iter().enumerate() {
        set |= (state >> index & 1) << (signal - 1);
    }
    u64::from(set)
}

/// The bits of the places.
const BITS: u32 = (1 << (2 * COUNT)) - 1;

/// How a state says whose it is: what of a process's number has room tells it from those that share its handlers.
fn whose(process: i32) -> u32 {
    (process as u32) << (2 * COUNT)
}

/// The place of a signal.
fn place(signal: i32) -> Option<usize> {
    CANDIDATES.iter().position(|&one| one == signal)
}

impl Pending {
    /// Where the state lies.
    pub const STATE: usize = core::mem::offset_of!(Self, state);

    /// None.
    pub const fn none() -> Self {
        Self { state: AtomicU32::new(0), infos: UnsafeCell::new([[0; _]; COUNT]) }
    }

    /// Drops them: they are another process's.
    pub fn forget(&self) {
        self.state.store(0, Ordering::SeqCst);
    }

    /// Those of `process`.
    pub fn set(&self, process: i32) -> u64 {
        waiting(self.state.load(Ordering::SeqCst), process)
    }

    /// Clears and sets bits of `process`'s state, where those of `wanted` are set; gives what it was. `None`: they are not,
    /// or what waits here is another process's.
    #[inline(never)]
    fn change(&self, process: i32, wanted: u32, clear: u32, set: u32) -> Option<u32> {
        let mut state = self.state.load(Ordering::SeqCst);
        loop {
            let bits = state & BITS;
            if (bits != 0 && state & !BITS != whose(process)) || bits & wanted != wanted {
                return None;
            }
            let next = match bits & !clear | set {
                0 => 0,
                bits => whose(process) | bits,
            };
            match self.state.compare_exchange(state, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(bits),
                Err(seen) => state = seen,
            }
        }
    }

    /// Keeps one. `false`: it is none that is held back, or another process's wait here.
    pub(super) fn keep(&self, process: i32, signal: i32, info: &SigInfo) -> bool {
        let Some(place) = place(signal) else { return false };
        let (waits, used) = (1 << place, 1 << (place + COUNT));
        let Some(before) = self.change(process, 0, 0, used) else { return false };
        // A standard signal is pending once (signal(7)).
        if before & used == 0 {
            // SAFETY: the place is this thread's from the change above to that below.
            unsafe { (*self.infos.get())[place] = *info };
            self.change(process, 0, 0, waits);
        }
        true
    }

    /// One that waits, kept by the calling thread, which blocks it. Others may take it.
    pub(super) fn kept(&self, process: i32, signal: i32) -> Option<SigInfo> {
        let place = place(signal)?;
        // SAFETY: only who keeps one writes to the place.
        (self.set(process) & bit(signal) != 0).then(|| unsafe { (*self.infos.get())[place] })
    }

    /// Takes one out.
    pub(super) fn take(&self, process: i32, signal: i32) -> Option<SigInfo> {
        let place = place(signal)?;
        let (waits, used) = (1 << place, 1 << (place + COUNT));
        self.change(process, waits, waits, 0)?;
        // SAFETY: the place is this thread's from the change above to that below.
        let info = unsafe { (*self.infos.get())[place] };
        self.change(process, 0, used, 0);
        Some(info)
    }
}
