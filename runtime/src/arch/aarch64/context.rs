//! The context of a signal frame: `struct ucontext` (arch/arm64/include/uapi/asm/ucontext.h) and the
//! `struct sigcontext` in it, with the records of the vector state behind.

use core::mem::{offset_of, size_of};

use super::KernelAction;
use super::call_regs::CallRegs;
use crate::arch::context::Context;
use crate::patch::SiteDesc;
use crate::thread::Block;

/// Room for the records of `struct sigcontext`.
pub(super) const RECORDS: usize = 4096;

/// `struct ucontext`.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub(in crate::arch) struct UContext {
    pub flags: u64,
    pub link: u64,
    pub stack_sp: u64,
    pub stack_flags: i32,
    pub stack_pad: i32,
    pub stack_size: u64,
    pub sigmask: u64,
    pub unused: [u64; 15],
    pub pad: u64,
    pub fault_address: u64,
    pub x: [u64; 31],
    pub sp: u64,
    pub pc: u64,
    pub pstate: u64,
    pub pad_records: u64,
    pub records: [u8; RECORDS],
}

/// The part of the context that is looked at, without the records.
pub(in crate::arch) const HEAD: usize = offset_of!(UContext, records);

const _: () = assert!(offset_of!(UContext, fault_address) == 176);
const _: () = assert!(HEAD == 464);
const _: () = assert!(size_of::<UContext>() == 4560);

// arch/arm64/include/uapi/asm/sigcontext.h
const FPSIMD_MAGIC: u32 = 0x4650_8001;
const EXTRA_MAGIC: u32 = 0x4558_5401;

/// Condition flags in `pstate`.
const NZCV: u64 = 0xf << 28;
/// The kind of branch that led to the next instruction, in `pstate`: where it is 0, the
/// instruction need not be a landing pad.
const BTYPE: u64 = 3 << 10;
/// Tag checks are off, in `pstate`; a handler starts with them (setup_return,
/// arch/arm64/kernel/signal.c).
const TCO: u64 = 1 << 25;

impl Context {
    /// The interrupted address.
    pub fn pc(&self) -> usize {
        self.get().pc as usize
    }

    /// The result of the call that the context has just made, if it has made one.
    pub fn result(&self) -> isize {
        self.get().x[0] as isize
    }

    /// Makes the call that the context has just made one that is still to be made, with the same
    /// arguments. `false` where the result has overwritten one of them.
    pub fn ask_again(&mut self, _number: u32) -> bool {
        false
    }

    /// Sets the result of the call that the context has just made.
    pub fn set_result(&mut self, result: isize) {
        self.get_mut().x[0] = result as u64;
    }

    /// Sets the address at which the context goes on.
    pub fn set_pc(&mut self, pc: usize) {
        let c = self.get_mut();
        c.pc = pc as u64;
        c.pstate &= !BTYPE;
    }

    /// The interrupted stack pointer.
    pub fn sp(&self) -> usize {
        self.get().sp as usize
    }

    /// Sets the signals blocked when the context is resumed.
    pub fn set_mask(&mut self, mask: u64) {
        self.get_mut().sigmask = mask;
    }

    /// Makes the general registers those of `regs`.
    pub fn take_regs(&mut self, regs: &CallRegs) {
        let c = self.get_mut();
        c.x = regs.x;
        c.sp = regs.sp;
        c.pc = regs.pc;
        c.pstate = c.pstate & !(NZCV | BTYPE) | regs.nzcv & NZCV;
    }

    /// Makes the context what the exit code was about to make of the processor: a stub finds its
    /// two registers on the stack.
    pub fn finish_exit(&mut self, regs: &CallRegs) {
        self.take_regs(regs);
        if regs.pops != 0 {
            let c = self.get_mut();
            c.sp = c.sp.wrapping_sub(16);
            // SAFETY: below the caller's stack pointer, where the exit code writes as well.
            unsafe { (c.sp as *mut [u64; 2]).write([regs.x[16], regs.x[17]]) };
        }
    }

    /// The context is at a site that has trapped: the call goes on in its stub at `stub`.
    pub fn enter_stub(&mut self, stub: usize, _block: &mut Block) {
        self.set_pc(stub);
    }

    /// Takes back what the stub of `site`, where the context is, has changed so far: from its first
    /// instruction to the one that takes them back, x16 and x17 are on the stack.
    ///
    /// # Safety
    /// The context must lie in that stub.
    pub unsafe fn leave_stub(&mut self, site: &SiteDesc) {
        let desc = core::ptr::from_ref(site) as usize;
        let c = self.get_mut();
        let before = desc.wrapping_sub(c.pc as usize);
        let (start, gate) = (usize::from(site.start), usize::from(site.gate));
        // The call itself and the branch behind it, and the same branch at the stub's end.
        let is_caller =
            [start, gate, gate.wrapping_sub(4), usize::from(site.resume).wrapping_sub(4)];
        if !is_caller.contains(&before) {
            // SAFETY: the stub has pushed them there.
            [c.x[16], c.x[17]] = unsafe { (c.sp as *const [u64; 2]).read() };
            c.sp = c.sp.wrapping_add(16);
        }
    }

    /// The same for a stub of the vDSO's own, where there are such: its sites are those of any file.
    pub fn leave_vdso(&mut self) {}

    /// Whether the context is in such a stub: there is none.
    pub fn is_in_vdso(&self) -> bool {
        false
    }

    /// Makes the context start the handler of `action` with the frame at `frame`.
    pub fn enter_handler(&mut self, action: &KernelAction, signal: i32, frame: usize) {
        let c = self.get_mut();
        c.x[0] = signal as u64;
        c.x[1] = frame as u64;
        c.x[2] = (frame + super::frame::CONTEXT) as u64;
        c.x[29] = super::frame::record_of(frame) as u64;
        c.x[30] = super::frame::return_address(action) as u64;
        c.sp = frame as u64;
        c.pc = action.handler as u64;
        c.pstate &= !(BTYPE | TCO);
    }

    /// Bytes of records that found no room in the context and follow it (`struct extra_context`).
    pub(super) fn extra(&self) -> usize {
        self.find(EXTRA_MAGIC).map_or(0, |at| {
            // SAFETY: inside the records; the field is the third word of the record.
            unsafe { (self.records().add(at + 16) as *const u32).read() as usize }
        })
    }

    /// Tells the record of what follows the context where that is.
    pub(super) fn set_extra(&mut self, address: usize) {
        if let Some(at) = self.find(EXTRA_MAGIC) {
            // SAFETY: inside the records; the field is the second word of the record.
            unsafe { (self.records().add(at + 8) as *mut u64).write(address as u64) };
        }
    }

    /// Where the additional records are.
    pub(super) fn extra_at(&self) -> usize {
        self.find(EXTRA_MAGIC).map_or(0, |at| {
            // SAFETY: inside the records; the field is the second word of the record.
            unsafe { (self.records().add(at + 8) as *const u64).read() as usize }
        })
    }

    /// Makes the vector registers those that `entry.rs` saved at `saved`.
    pub(super) fn take_vectors(&mut self, saved: *const u8) {
        const VECTORS: usize = 32 * 16;
        let Some(at) = self.find(FPSIMD_MAGIC) else { return };
        // SAFETY: struct fpsimd_context: head, fpsr, fpcr, vregs; `saved` has vregs, then fpsr and
        // fpcr as words of 64 bits.
        unsafe {
            let record = self.records().add(at);
            core::ptr::copy_nonoverlapping(saved, record.add(16), VECTORS);
            core::ptr::copy_nonoverlapping(saved.add(VECTORS), record.add(8), 4);
            core::ptr::copy_nonoverlapping(saved.add(VECTORS + 8), record.add(12), 4);
        }
    }

    fn records(&self) -> *mut u8 {
        // SAFETY: `new` was promised a complete ucontext.
        unsafe { (&raw mut (*self.0).records).cast() }
    }

    /// The offset of the record with `magic`: each begins with its magic and its size, and a magic
    /// of 0 ends them.
    fn find(&self, magic: u32) -> Option<usize> {
        let records = &self.get().records;
        let word = |at: usize| Some(u32::from_le_bytes(*records.get(at..)?.first_chunk()?));
        let mut at = 0;
        loop {
            let (found, size) = (word(at)?, word(at + 4)? as usize);
            if found == 0 || size < 8 || size > RECORDS - at {
                return None;
            }
            // The longest that is looked into has 528 bytes, and starts before this.
            if found == magic {
                return (at + 528 <= RECORDS).then_some(at);
            }
            at += size;
        }
    }
}
