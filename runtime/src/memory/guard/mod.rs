//! vload's own memory in the target's address space: its image, heap, thread blocks, session, stubs,
//! link pages and tables.
//!
//! To the target these addresses are unmapped and cannot be had: what would replace them is `ENOMEM`,
//! what works on mappings finds a hole there and answers as the kernel does for one. Whatever vload maps
//! for longer than a call is entered here, in the same step.

mod calls;
mod fault;
mod lock;
mod peer;
mod ranges;
mod remote;
mod texts;

use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch;
use crate::sys;
use ranges::Ranges;

pub use calls::{IOCTL, WANTED, call, mmap, munmap};
pub use peer::Peer;
pub use remote::process_behind;
pub use texts::{Origin, each_text_of, origin, stands_for};

/// The unit of mappings on every machine that vload patches on.
const PAGE: usize = 4096;
/// Ranges that can be known: three for each of the texts that can be patched, and some hundred for
/// thread blocks, which come many at a time.
const MOST: usize = 4096;

static OWN: Ranges<MOST> = Ranges::new();
/// Said once: there are more ranges than the list has room for.
static FULL: AtomicBool = AtomicBool::new(false);

/// Enters the image that the kernel has mapped.
pub fn own_image() {
    let (start, end) = arch::image_range();
    own(start & !(PAGE - 1), end.next_multiple_of(PAGE) - (start & !(PAGE - 1)));
}

/// Enters memory that vload has mapped for itself.
pub fn own(start: usize, length: usize) {
    let end = start + length.next_multiple_of(PAGE);
    if OWN.add(start..end).is_none() && !FULL.swap(true, Ordering::Relaxed) {
        crate::log!(Warn, "the list of vload's own memory is full: some is not guarded");
    }
    lock::keep_unlocked(start, end - start);
}

/// Unmaps memory that was entered with the same start.
///
/// # Safety
/// Nothing may use it any more.
pub unsafe fn unmap(start: usize, length: usize) {
    // Taken out first: once it is unmapped the target may have something there.
    OWN.remove(start);
    // SAFETY: the caller's promise.
    unsafe { sys::munmap(start, length) };
}

/// Makes memory that was entered with the same start longer or shorter; it may move.
///
/// # Safety
/// The old address must not be used afterwards.
pub unsafe fn resize(start: usize, old: usize, new: usize) -> sys::Result<usize> {
    OWN.remove(start);
    // SAFETY: the caller's promise.
    let moved = unsafe { sys::mremap(start, old, new) };
    match moved {
        Ok(start) => own(start, new),
        Err(_) => own(start, old),
    }
    moved
}

/// Whether vload's own memory has an address in the range.
pub fn holds(start: usize, length: usize) -> bool {
    first_in(&(start..start.saturating_add(length))).is_some()
}

/// The lowest range of vload's that has an address in `wanted`.
pub fn first_in(wanted: &Range<usize>) -> Option<Range<usize>> {
    OWN.first_in(wanted)
}

/// Calls `visit` with all ranges of another process's vload.
pub fn each_of(
    peer: &Peer,
    visit: &mut dyn FnMut(Range<usize>) -> sys::Result<()>,
) -> sys::Result<()> {
    OWN.each_of(peer, &mut |_, range| visit(range))
}

/// All ranges of vload's, in no order.
pub fn each() -> impl Iterator<Item = Range<usize>> {
    OWN.each()
}
