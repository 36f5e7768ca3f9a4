//! `mprotect(2)`, `pkey_mprotect(2)`, `mremap(2)` and `shmat(2)` where they concern what is executed.

use core::ffi::CStr;
use core::ops::Range;

use super::calls::makes_executable;
use super::place::{self, Mapping, PAGE};
use super::{executable, image, native, region};
use crate::layer::Call;
use crate::memory;
use crate::signal;
use crate::sys::maps::{self, Mapped};
use crate::sys::{self, Stat};
use crate::watch;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{O_CLOEXEC, O_RDONLY, PROT_GROWSDOWN, PROT_GROWSUP, PROT_WRITE};

/// The protection is for all of a mapping that grows.
const PROT_GROWS: u32 = PROT_GROWSDOWN | PROT_GROWSUP;

/// The call, if it concerns mappings and came through `memory::guard`.
pub fn on_mappings(call: &mut Call<'_>) -> isize {
    match call.number as u32 {
        nr::__NR_mprotect | nr::__NR_pkey_mprotect => mprotect(call),
        nr::__NR_mremap => mremap(call),
        nr::__NR_shmat => shmat(call),
        nr::__NR_remap_file_pages => remap_file_pages(call),
        _ => call.pass(),
    }
}

/// `mprotect(2)` and `pkey_mprotect(2)`: text that is about to be written gets the file's own bytes back,
/// and what becomes executable is looked at as `mmap(2)` would.
fn mprotect(call: &mut Call<'_>) -> isize {
    let [start, length, prot, ..] = call.args;
    let prot = prot as u32;
    let Some(end) = start.checked_add(length.next_multiple_of(PAGE)) else { return call.pass() };
    let executable = makes_executable(prot);
    let writes_text = prot & PROT_WRITE != 0 && region::overlaps(start, end);
    if start % PAGE != 0 || length == 0 || !(executable || writes_text) {
        return call.pass();
    }
    if signal::is_held(call.block) {
        return crate::arch::ABORTED;
    }
    if writes_text {
        // The program may run what it has not written as well as what it has.
        watch::demand(Some(call.block), None, format_args!("text at {start:#x} is made writable"));
        native::restore(start, end);
        return call.pass();
    }
    if watch::covers(&(start..end)) {
        return call.pass();
    }
    if prot & PROT_WRITE != 0 || !is_text(start, end) {
        let why = format_args!("memory at {start:#x}, {length:#x} bytes, made executable");
        let stays = prot & PROT_GROWS == 0 && !may_grow(start);
        watch::demand(Some(call.block), stays.then_some(start..end), why);
        return call.pass();
    }
    // The kernel may refuse it (PR_SET_MDWE, a file system mounted noexec): what is put in its place
    // would not be.
    let result = call.pass();
    if result == 0 {
        let replaced = cover(call, start, end, prot);
        if replaced && call.number as u32 == nr::__NR_pkey_mprotect && call.args[3] as i32 != -1 {
            // What has come in its place has no key yet.
            return call.pass();
        }
    }
    result
}

/// Whether what is at `start` may be a part of the stack, or lies right below one: executable, it would
/// become more by itself.
fn may_grow(start: usize) -> bool {
    let (mut next, mut stack) = (start, false);
    let walked = maps::each_in(start, usize::MAX, &mut |mapped, name| {
        let adjoins = mapped.start <= next;
        stack = adjoins && name == c"[stack]";
        next = mapped.end;
        adjoins && !stack
    });
    stack || walked.is_err()
}

/// Whether everything from `start` to `end` is text of files, unchanged.
fn is_text(start: usize, end: usize) -> bool {
    let (mut text, mut last) = (true, start);
    let walked = maps::each_in(start, end, &mut |mapped, path| {
        let part = mapped.start.max(start)..mapped.end.min(end);
        text = mapped.is_private()
            && !mapped.is_writable()
            && mapped.has_file()
            && (region::is_patched(part.start, part.end)
                || with_file(mapped, path, |fd, stat| {
                    is_text_of(fd, stat, &within(mapped, &part, 0))
                })
                .unwrap_or(false));
        last = mapped.end;
        text
    });
    // Where something is not mapped the call fails, but may have changed what comes before.
    walked.is_ok() && text && last >= end
}

/// Patches the text from `start` to `end`, which has got protection `prot`. Whether any of it may have been replaced.
fn cover(call: &Call<'_>, start: usize, end: usize, prot: u32) -> bool {
    let mut replaced = false;
    let walked = maps::each_in(start, end, &mut |mapped, path| {
        let part = mapped.start.max(start)..mapped.end.min(end);
        if !region::is_patched(part.start, part.end) {
            let covered = with_file(mapped, path, |fd, stat| {
                place::cover(fd, stat, within(mapped, &part, prot), Some(call.block));
            });
            if covered.is_none() {
                let why = format_args!("text at {:#x} whose file is gone", part.start);
                watch::demand(Some(call.block), None, why);
            }
            replaced |= region::overlaps(part.start, part.end);
        }
        true
    });
    if walked.is_err() {
        watch::demand(Some(call.block), None, format_args!("text at {start:#x}: no /proc"));
    }
    replaced
}

/// A part of a mapping.
fn within(mapped: &Mapped<'_>, part: &Range<usize>, prot: u32) -> Mapping {
    let offset = mapped.offset + (part.start - mapped.start) as u64;
    Mapping { start: part.start, length: part.len(), offset, prot }
}

/// Opens the file of a mapping, if it is still where its path says.
fn with_file<T>(mapped: &Mapped<'_>, path: &CStr, act: impl FnOnce(i32, &Stat) -> T) -> Option<T> {
    if !path.to_bytes().starts_with(b"/") {
        return None;
    }
    let fd = sys::openat(sys::CWD, path, O_RDONLY | O_CLOEXEC, 0).ok()?;
    let stat = sys::fstat(fd).ok().filter(|stat| stat.ino == mapped.inode && stat.is_file());
    let result = stat.map(|stat| act(fd, &stat));
    sys::close(fd);
    result
}

/// Whether the mapping has the file's own bytes, and the file calls them text.
pub fn is_text_of(fd: i32, stat: &Stat, mapping: &Mapping) -> bool {
    image::is_elf(fd)
        && place::has_text(fd, mapping.offset, mapping.length)
        && is_unchanged(fd, stat, mapping)
}

/// Whether memory has what the file has.
fn is_unchanged(fd: i32, stat: &Stat, mapping: &Mapping) -> bool {
    let mut buffer = [0u8; PAGE];
    (0..mapping.length).step_by(PAGE).all(|at| {
        let offset = mapping.offset + at as u64;
        let length = stat.size.saturating_sub(offset).min(PAGE as u64) as usize;
        let buffer = &mut buffer[..length];
        sys::pread(fd, buffer, offset) == Ok(length) && memory::equals(mapping.start + at, buffer)
    })
}

/// `mremap(2)`: a text that moves has the file's own bytes, because its stubs do not move; what is
/// executable is watched where it comes to.
fn mremap(call: &mut Call<'_>) -> isize {
    let [start, length, ..] = call.args;
    let Some(end) = start.checked_add(length.max(1).next_multiple_of(PAGE)) else {
        return call.pass();
    };
    if signal::is_held(call.block) {
        return crate::arch::ABORTED;
    }
    // What else is executable is watched already, or has no site.
    let text = region::overlaps(start, end);
    let grows = call.args[2] > length && !watch::is_everywhere();
    let watched = watch::is_in_region(&(start..end));
    if text || watched || (grows && is_executable(start, end)) {
        watch::demand(Some(call.block), None, format_args!("text at {start:#x} moves"));
    }
    if text {
        native::restore(start, end);
    }
    call.pass()
}

/// Whether anything in the range can be executed.
fn is_executable(start: usize, end: usize) -> bool {
    let mut found = false;
    let walked = executable::may_be_in(start, end).then(|| {
        maps::each_in(start, end, &mut |mapped, _| {
            found |= mapped.is_executable();
            !found
        })
    });
    found || walked.is_some_and(|walked| walked.is_err())
}

/// `shmat(2)`.
fn shmat(call: &mut Call<'_>) -> isize {
    const SHM_EXEC: usize = 0o100_000;
    if call.args[2] & SHM_EXEC == 0 && !crate::process::read_implies_exec() {
        return call.pass();
    }
    if signal::is_held(call.block) {
        return crate::arch::ABORTED;
    }
    watch::demand(Some(call.block), None, format_args!("shared memory attached to be executed"));
    call.pass()
}

/// `remap_file_pages(2)`: other pages of a file come to where text may be.
fn remap_file_pages(call: &mut Call<'_>) -> isize {
    let [start, length, ..] = call.args;
    let end = start.saturating_add(length);
    let watched = watch::is_in_region(&(start..end));
    if !watch::is_everywhere() && (watched || executable::may_be_in(start, end)) {
        watch::demand(Some(call.block), None, format_args!("pages at {start:#x} are remapped"));
    }
    call.pass()
}
