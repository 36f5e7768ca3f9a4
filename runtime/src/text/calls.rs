//! `mmap(2)` and `munmap(2)` where they concern text.

use super::image;
use super::place::{self, Mapping, PAGE, Prepared};
use super::region;
use crate::arch;
use crate::layer::Call;
use crate::memory::guard;
use crate::signal;
use crate::sys::{self, Stat};
use crate::watch;
use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_NORESERVE, MAP_PRIVATE,
    MAP_TYPE, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE,
};

/// `mmap(2)`: text is patched before the caller hears of it. The first mapping of a library, which
/// takes the whole of its address space, gets room for the stubs behind.
pub fn mmap(call: &mut Call<'_>) -> isize {
    if call.args[3] as u32 & MAP_GROWSDOWN != 0 {
        watch::note_growth();
    }
    let Some(request) = Request::read(call) else { return call.pass() };
    if signal::is_held(call.block) {
        return crate::arch::ABORTED;
    }
    if request.is_the_programs() {
        return unproven(call, &request);
    }
    let Ok(stat) = sys::fstat(request.fd) else { return call.pass() };
    if !stat.is_file() || !image::is_elf(request.fd) || !request.is_text() {
        return if request.executable { unproven(call, &request) } else { call.pass() };
    }
    let result = if request.is_first() { first(call, &request, &stat) } else { call.pass() };
    if request.executable && sys::check(result).is_ok() {
        let mapping = Mapping {
            start: result as usize,
            length: request.length.next_multiple_of(PAGE),
            offset: request.offset,
            prot: request.prot,
        };
        place::cover(request.fd, &stat, mapping, Some(call.block));
    }
    result
}

struct Request {
    address: usize,
    length: usize,
    prot: u32,
    flags: u32,
    fd: i32,
    offset: u64,
    executable: bool,
}

impl Request {
    /// `None` when the call is no concern of ours.
    fn read(call: &Call<'_>) -> Option<Self> {
        let [address, length, prot, flags, fd, offset] = call.args;
        let (prot, flags, fd) = (prot as u32, flags as u32, fd as i32);
        let executable = makes_executable(prot);
        if length == 0 || (!executable && (flags & MAP_ANONYMOUS != 0 || fd < 0)) {
            return None;
        }
        let offset = crate::arch::mmap_offset(offset);
        let request = Self { address, length, prot, flags, fd, offset, executable };
        (executable || request.is_first()).then_some(request)
    }

    /// Whether the program decides what is executed there: it writes it, or can, or others can.
    fn is_the_programs(&self) -> bool {
        self.executable
            && (self.flags & MAP_ANONYMOUS != 0
                || self.prot & PROT_WRITE != 0
                || self.flags & MAP_TYPE != MAP_PRIVATE)
    }

    /// Whether any of it is what the file says is text.
    fn is_text(&self) -> bool {
        !self.executable || place::has_text(self.fd, self.offset, self.length)
    }

    fn is_first(&self) -> bool {
        self.offset == 0
            && self.address == 0
            && self.length > PAGE
            && self.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) == 0
            && self.flags & MAP_TYPE == MAP_PRIVATE
    }
}

/// Whether memory with protection `prot` can be executed.
pub fn makes_executable(prot: u32) -> bool {
    prot & PROT_EXEC != 0 || (prot & PROT_READ != 0 && crate::process::read_implies_exec())
}

/// Executable memory that cannot be proven. Other threads know its address before the call returns only
/// if the caller has chosen it.
fn unproven(call: &mut Call<'_>, request: &Request) -> isize {
    let demand = |call: &Call<'_>, start: usize| {
        let kind = if request.flags & MAP_ANONYMOUS != 0 { "memory" } else { "file" };
        let length = request.length;
        let place = start..start.saturating_add(length.next_multiple_of(PAGE));
        let why = format_args!("{kind} at {start:#x}, {length:#x} bytes");
        watch::demand(Some(call.block), Some(place), why);
    };
    let chosen = request.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    if chosen {
        demand(call, request.address);
    }
    let result = call.pass();
    if !chosen && sys::check(result).is_ok() {
        demand(call, result as usize);
    }
    result
}

/// The first mapping of a file at an address of the kernel's choice.
fn first(call: &mut Call<'_>, request: &Request, stat: &Stat) -> isize {
    let Some(file) = Prepared::of(request.fd, stat) else { return call.pass() };
    let Some(total) = file.span() else { return call.pass() };
    let length = request.length.next_multiple_of(PAGE);
    if total <= length || total > length + (64 << 20) {
        return call.pass();
    }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    let Ok(start) = (unsafe { sys::mmap(0, total, PROT_NONE, flags, -1, 0) }) else {
        return call.pass();
    };
    call.args[0] = start;
    call.args[3] |= MAP_FIXED as usize;
    let result = call.pass();
    // An address of the upper half is no error.
    if sys::check(result).is_err() {
        // SAFETY: reserved just now.
        unsafe { sys::munmap(start, total) };
        return result;
    }
    place::fill_reserved(file, start, start + length, start + total);
    result
}

/// `munmap(2)`: stubs go with their text, and a thread's own stack stays as far as stubs need it.
pub fn munmap(call: &mut Call<'_>) -> isize {
    if let Some(kept) = own_stack(call) {
        return unmap_around(call, kept);
    }
    let [start, length, ..] = call.args;
    let Some(end) = start.checked_add(length.next_multiple_of(PAGE)) else {
        return guard::munmap(call);
    };
    if !region::any_in(start, end) {
        return guard::munmap(call);
    }
    let result = guard::munmap(call);
    if result == 0 {
        let _writer = region::lock();
        // SAFETY: the text that led to the stubs is unmapped, and a thread that was in them has
        // nowhere to return to, as natively.
        unsafe {
            region::remove(start, end, |start, length| guard::unmap(start, length));
        }
    }
    result
}

/// The pages of the caller's own stack that its next calls use, if it unmaps them: a thread of musl's
/// frees its stack before it exits (`__unmapself`).
fn own_stack(call: &Call<'_>) -> Option<(usize, usize)> {
    let [start, length, ..] = call.args;
    let (sp, end) = (call.regs.sp(), start.checked_add(length)?);
    let lowest = sp.checked_sub(arch::STACK_USED)?;
    if arch::STACK_USED == 0 || start % PAGE != 0 || lowest < start || sp > end {
        return None;
    }
    let first = lowest & !(PAGE - 1);
    Some((first, sp.next_multiple_of(PAGE) - first))
}

/// Unmaps what was asked for but the pages `kept`, which go when the thread exits.
fn unmap_around(call: &mut Call<'_>, kept: (usize, usize)) -> isize {
    let [start, length, ..] = call.args;
    let end = start + length;
    let (first, last) = (kept.0, kept.0 + kept.1);
    for (from, to) in [(start, first), (last, end)] {
        if from < to {
            call.args[..2].copy_from_slice(&[from, to - from]);
            let result = guard::munmap(call);
            if result != 0 {
                return result;
            }
        }
    }
    call.block.last_stack = (call.regs.sp(), kept.0, kept.1);
    0
}
