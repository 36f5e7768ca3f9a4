//! `mprotect(2)`, `pkey_mprotect(2)`: what is mapped of a file that is open to be read alone cannot be written. The kernel has it of
//! the session's descriptor, by which that can be.

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::Errno;
use vload_module::abi::Call;

use super::list::{self, Entry};
use super::{PAGE, each_mapped};
use crate::descriptor::Held;
use crate::vload;

/// The call, if it would make such memory writable: what comes before that in its range gets what is asked for, as the
/// kernel does it.
pub fn protect(call: &mut Call) -> Option<c_long> {
    let [start, length, protection, ..] = call.arguments;
    let is_to_write = protection & nr::PROT_WRITE as usize != 0;
    if !list::is_any() || !is_to_write || !start.is_multiple_of(PAGE) {
        return None;
    }
    let end = start.saturating_add(length.checked_next_multiple_of(PAGE)?);
    let mut refused = None::<usize>;
    let is_meant = move |entry: &Entry| !entry.to_write && entry.start < end && start < entry.end();
    for entry in list::those(is_meant) {
        let range = (entry.start.max(start), entry.end().min(end));
        if let Some(held) = Held::mapped(entry.number, entry.generation) {
            // Where the list cannot be read it is there.
            let looked = each_mapped(&held, range, |shown| {
                refused = Some(refused.map_or(shown.start, |at| at.min(shown.start)));
            });
            if looked.is_err() {
                refused = Some(refused.map_or(range.0, |at| at.min(range.0)));
            }
        }
    }
    let refused = refused?;
    if refused > start {
        call.arguments[1] = refused - start;
        let result = vload::next(call);
        if result != 0 {
            return Some(result);
        }
    }
    Some(-c_long::from(Errno::ACCES.0))
}
