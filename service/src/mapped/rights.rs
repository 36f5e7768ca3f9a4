//! `mprotect(2)`, `pkey_mprotect(2)`, `madvise(2)`: what is mapped of a file that is open to be read alone cannot be written, and
//! not emptied. The kernel has it of the session's descriptor, by which that can be.

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::Errno;
use vload_module::abi::Call;

use super::list::{self, Entry};
use super::{PAGE, each_mapped, shown};
use crate::descriptor::Held;
use crate::vload;

/// The call, if it would make such memory writable: what comes before that in its range gets what is asked for, as the
/// kernel does it.
pub fn protect(call: &mut Call) -> Option<c_long> {
    let is_to_write = call.arguments[2] & nr::PROT_WRITE as usize != 0;
    if is_to_write { unless_refused(call) } else { None }
}

/// The call, if it would empty such memory, and with it the file.
pub fn advise(call: &mut Call) -> Option<c_long> {
    let removes = call.arguments[2] as u32 == nr::MADV_REMOVE;
    if removes { unless_refused(call) } else { None }
}

/// `process_madvise(2)`: it does not empty files, as before Linux 6.13.
pub fn advise_many(call: &mut Call) -> Option<c_long> {
    let removes = call.arguments[3] as u32 == nr::MADV_REMOVE;
    (removes && list::is_any()).then_some(-c_long::from(Errno::INVAL.0))
}

/// A call for a range, of which what comes before such memory is done.
fn unless_refused(call: &mut Call) -> Option<c_long> {
    let [start, length, ..] = call.arguments;
    if !list::is_any() || !start.is_multiple_of(PAGE) {
        return None;
    }
    let end = start.saturating_add(length.checked_next_multiple_of(PAGE)?);
    let refused = if vload::is_borrowed() {
        first_readable(start, end)
    } else {
        first_not_writable(start, end)
    }?;
    if refused > start {
        call.arguments[1] = refused - start;
        let result = vload::next(call);
        if result != 0 {
            return Some(result);
        }
    }
    Some(-c_long::from(Errno::ACCES.0))
}

/// Where in a range the first mapping begins of a file that is open to be read alone.
fn first_not_writable(start: usize, end: usize) -> Option<usize> {
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
    refused
}

/// Where in a range the first mapping begins that cannot be written as it is: in a process that has another's memory, and so no
/// list to tell which could be.
#[inline(never)]
fn first_readable(start: usize, end: usize) -> Option<usize> {
    let mut refused = None::<usize>;
    let looked = shown::each(|shown| {
        let is_writable = shown.protection & nr::PROT_WRITE as usize != 0;
        if !is_writable && shown.start < end && start < shown.end {
            refused.get_or_insert(shown.start.max(start));
        }
    });
    if looked.is_err() { Some(start) } else { refused }
}
