//! Where the vDSO lies.
//!
//! The kernel maps an interp, or an image that has none, as vload is, among the mappings, and then the vDSO
//! with its data (`[vvar]`, `[vvar_vclock]`) next to it (`load_elf_binary`, fs/binfmt_elf.c): right below, as
//! mappings grow downwards. That is where the target's interp would have had it, or the target without one.

use core::ops::Range;

use runtime::memory::guard;
use runtime::{arch, process, sys};

use crate::map;

/// More than the vDSO and its data have anywhere.
const MOST: usize = 64;

/// The vDSO at `base` (`AT_SYSINFO_EHDR`) and its data, when they lie right below our own image.
pub fn below_us(base: usize) -> Option<Range<usize>> {
    let page = process::page_size();
    let end = arch::image_range().0 & !(page - 1);
    // The kernel has mapped nothing else for this program, and what we have since is in the list.
    let is_kernels = |at: &usize| !guard::holds(*at, page) && map::is_taken(*at, page);
    let below = (1..=MOST).map_while(|count| end.checked_sub(count * page));
    let start = below.take_while(is_kernels).last()?;
    // An emulator's vDSO, which has no data before it, stays: it would not know of the new place.
    (start < base && base < end && end - start < MOST * page).then_some(start..end)
}

/// Moves them, all in one call (Linux 6.17; `vdso_mremap` tells the kernel of the vDSO's new place). Gives how
/// far; where the kernel refuses they stay, and the place is free.
///
/// # Safety
/// `from` must come from [`below_us`], `to` be as long and reserved by the caller, and nothing may hold an
/// address in `from`.
pub unsafe fn move_to(to: Range<usize>, from: &Range<usize>) -> usize {
    // SAFETY: the caller's promise.
    match unsafe { sys::move_to(from.start, from.len(), to.start) } {
        Ok(()) => to.start.wrapping_sub(from.start),
        Err(error) => {
            runtime::log!(Info, "the vDSO stays where it is: {}", error.text());
            // SAFETY: reserved, and not used.
            unsafe { sys::munmap(to.start, to.len()) };
            0
        }
    }
}
