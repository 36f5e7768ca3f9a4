//! `ptrace(2)` by a process of the session: what it asks and changes of the registers of a thread that vload runs are the
//! program's. One that waits in a call has its program counter in a stub, or in the resident where that makes calls on the program's
//! behalf. Elsewhere in the resident a call cannot be left and made again: there they are the resident's.
//!
//! Nothing is kept between two requests. What is written is compared with what is shown: registers that are as they are
//! shown stay as they are, and who is given another program counter or stack pointer goes on there with all that it is given:
//! its call is over, as it natively is.

use core::mem::{offset_of, size_of};

use super::maps::asleep::{behind, caller, is_resident};
use crate::arch::{self, Registers};
use crate::layer::Call;
use crate::memory::guard::Peer;
use crate::memory::{copy_in, copy_out, read_words};
use crate::sys::{self, Errno, Result};
use crate::thread::Block;
use linux_raw_sys::elf::Elf_Ehdr;

// linux/ptrace.h, asm/ptrace-abi.h
const PTRACE_PEEKUSER: usize = 3;
const PTRACE_POKEDATA: usize = 5;
const PTRACE_POKEUSER: usize = 6;
const PTRACE_GETREGS: usize = 12;
const PTRACE_SETREGS: usize = 13;
const PTRACE_GETREGSET: usize = 0x4204;
const PTRACE_SETREGSET: usize = 0x4205;
const PTRACE_GET_SYSCALL_INFO: usize = 0x420e;
/// The set of the general registers (elf.h).
const NT_PRSTATUS: usize = 1;

const WORD: usize = size_of::<usize>();
const SIZE: usize = size_of::<Registers>();
/// Words of the header of an ELF file.
const HEADER: usize = size_of::<Elf_Ehdr>() / WORD;
/// Where `struct ptrace_syscall_info` has program counter and stack pointer.
const INFO_PLACE: usize = 8;

/// `ptrace(2)`.
pub fn ptrace(call: &mut Call<'_>) -> isize {
    let [request, _, place, ..] = call.args;
    match request {
        _ if !arch::SHOWS_REGISTERS => call.pass(),
        PTRACE_GETREGS | PTRACE_GET_SYSCALL_INFO => read(call),
        PTRACE_PEEKUSER if is_shown(place) => read(call),
        PTRACE_GETREGSET if place == NT_PRSTATUS => read(call),
        PTRACE_SETREGS => write(call),
        PTRACE_POKEUSER if is_shown(place) => write(call),
        PTRACE_SETREGSET if place == NT_PRSTATUS => write(call),
        _ => call.pass(),
    }
}

/// Whether the word at `place` of a thread's `struct user` is one that is shown.
fn is_shown(place: usize) -> bool {
    place.is_multiple_of(WORD) && place < SIZE && arch::kept_at(place / WORD).is_some()
}

fn read(call: &mut Call<'_>) -> isize {
    let result = call.pass();
    let [request, tid, place, data, ..] = call.args;
    if sys::check(result).is_err() {
        return result;
    }
    let Some(tracee) = Tracee::of(tid as i32) else { return result };
    let bytes = bytes(&tracee.shown);
    let put = match request {
        PTRACE_GETREGS => copy_out(data, bytes),
        PTRACE_PEEKUSER => copy_out(data, &bytes[place..place + WORD]),
        PTRACE_GETREGSET => {
            let mut vector = [0; 2];
            read_words(data, &mut vector)
                .and_then(|()| copy_out(vector[0], &bytes[..vector[1].min(SIZE)]))
        }
        _ => {
            let words = arch::place_of(&tracee.shown).map(usize::to_ne_bytes);
            let room = place.min(result as usize);
            words.iter().enumerate().try_for_each(|(index, word)| {
                let at = INFO_PLACE + index * WORD;
                copy_out(data.wrapping_add(at), &word[..room.saturating_sub(at).min(WORD)])
            })
        }
    };
    put.map_or_else(|error| sys::raw(Err(error)), |()| result)
}

fn write(call: &mut Call<'_>) -> isize {
    let [request, tid, place, data, ..] = call.args;
    let Some(tracee) = Tracee::of(tid as i32) else { return call.pass() };
    let mut given = tracee.shown;
    let mut vector = [data, SIZE];
    let taken = match request {
        PTRACE_POKEUSER => {
            given[place / WORD] = data;
            Ok(())
        }
        PTRACE_SETREGSET => read_words(data, &mut vector).and_then(|()| {
            let length = vector[1].min(SIZE);
            let whole = if length.is_multiple_of(WORD) { Ok(()) } else { Err(Errno::INVAL) };
            whole.and_then(|()| copy_in(vector[0], &mut bytes_mut(&mut given)[..length]))
        }),
        _ => copy_in(data, bytes_mut(&mut given)),
    };
    if taken.is_err() {
        // The kernel says what is wrong with it.
        return call.pass();
    }
    let done = tracee.set(&given).and_then(|()| match request {
        // It says how much it has taken.
        PTRACE_SETREGSET => copy_out(data.wrapping_add(WORD), &vector[1].min(SIZE).to_ne_bytes()),
        _ => Ok(()),
    });
    sys::raw(done.map(|()| 0))
}

/// A stopped thread of a process that vload runs, in a call.
struct Tracee {
    tid: i32,
    /// What the kernel has.
    real: Registers,
    /// What the program has.
    shown: Registers,
    /// Of one whose call the resident makes: where the program's registers are.
    resident: Option<usize>,
}

impl Tracee {
    /// The thread; `None` when its registers are shown as they are.
    fn of(tid: i32) -> Option<Self> {
        let mut real: Registers = [0; _];
        let mut vector = [real.as_mut_ptr().expose_provenance(), SIZE];
        let at = vector.as_mut_ptr().expose_provenance();
        // SAFETY: the vector and what it leads to are ours.
        unsafe { sys::ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, at) }.ok()?;
        let [pc, _] = arch::place_of(&real);
        // One of another width has others.
        let is_whole = vector[1] == SIZE;
        let block = is_whole.then(|| arch::traced_block(&real, tid)).flatten()?;
        let mut before = [0u8; arch::SYSCALL_INSTRUCTION];
        sys::read_process(tid, pc.wrapping_sub(before.len()), &mut before).ok()?;
        if !arch::SYSCALL_BYTES.contains(&before) {
            return None;
        }
        let peer = peer(tid, block)?;
        let mut shown = real;
        let resident = if !is_resident(Some(&peer), pc) {
            // The program's own instructions of this kind lead to a stub: this is one, if it is described.
            let site = behind(Some(&peer), pc, &|| Ok(block), &|_| false).ok()?;
            arch::show_behind(&mut shown, site.behind, site.is_compat);
            None
        } else if peer.here(pc) == arch::forwarded() && arch::is_in_call(&real) {
            let mut regs = [0usize];
            peer.read_at(block + offset_of!(Block, regs), &mut regs).ok()?;
            let (call, site) = caller(Some(&peer), regs[0]).ok()?;
            arch::show_caller(&mut shown, &call);
            arch::show_behind(&mut shown, site.behind, site.is_compat);
            Some(regs[0])
        } else {
            return None;
        };
        Some(Self { tid, real, shown, resident })
    }

    /// Gives the thread these registers in the place of those that are shown.
    fn set(&self, given: &Registers) -> Result<()> {
        let goes_elsewhere = arch::place_of(given) != arch::place_of(&self.shown);
        let is_changed = |index: &usize| !goes_elsewhere && given[*index] != self.shown[*index];
        let mut real = if goes_elsewhere { *given } else { self.real };
        for index in (0..real.len()).filter(is_changed) {
            if self.kept(index).is_none() || arch::is_forwarded(index) {
                real[index] = given[index];
            }
        }
        let vector = [real.as_ptr().expose_provenance(), SIZE];
        let at = vector.as_ptr().expose_provenance();
        // SAFETY: the vector and what it leads to are ours, and only read.
        unsafe { sys::ptrace(PTRACE_SETREGSET, self.tid, NT_PRSTATUS, at)? };
        for index in (0..real.len()).filter(is_changed) {
            if let Some(at) = self.kept(index) {
                // SAFETY: no memory of ours is involved.
                unsafe { sys::ptrace(PTRACE_POKEDATA, self.tid, at, given[index])? };
            }
        }
        Ok(())
    }

    /// Where the resident has the program's register.
    fn kept(&self, index: usize) -> Option<usize> {
        Some(self.resident? + arch::kept_at(index)? * WORD)
    }
}

/// The vload in the process of thread `tid`, which has the block, if it is this one.
fn peer(tid: i32, block: usize) -> Option<Peer> {
    let mut image = [0usize];
    sys::read_process(tid, block + offset_of!(Block, image), &mut image).ok()?;
    let peer = Peer::new(tid, image[0]);
    // No two have their parts at the same places.
    let mut there = [0usize; HEADER];
    peer.read_at(image[0], &mut there).ok()?;
    // SAFETY: the image begins with its header.
    let here = unsafe { &*(arch::image_range().0 as *const [usize; HEADER]) };
    (there == *here).then_some(peer)
}

fn bytes(registers: &Registers) -> &[u8; SIZE] {
    // SAFETY: as many bytes, which may have any value.
    unsafe { &*core::ptr::from_ref(registers).cast() }
}

fn bytes_mut(registers: &mut Registers) -> &mut [u8; SIZE] {
    // SAFETY: as above.
    unsafe { &mut *core::ptr::from_mut(registers).cast() }
}
