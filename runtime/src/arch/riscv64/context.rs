//! The context of a signal frame: `struct ucontext` (arch/riscv/include/uapi/asm/ucontext.h) with
//! the `struct sigcontext` in it. The state of the vector extension, if any, follows it.

use core::mem::{offset_of, size_of};

use super::call_regs::{A0, A7, CallRegs, RA, SP, TP};
use super::entry::entry_address;
use super::frame::KernelAction;
use crate::arch::by_pointer;
use crate::arch::context::Context;
use crate::patch::SiteDesc;
use crate::thread::Block;

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
    /// As in [`CallRegs`].
    pub x: [u64; 32],
    /// f0 to f31.
    pub f: [u64; 32],
    /// fcsr in the lower half.
    pub fcsr: u64,
    /// The rest of the room for registers of 128 bits.
    pub wide: [u64; 32],
    /// The head of what follows (`struct __riscv_ctx_hdr`): magic, and length with the head.
    pub next: [u32; 2],
}

/// The part of the context that is looked at.
pub(in crate::arch) const HEAD: usize = offset_of!(UContext, f);

const _: () = assert!(offset_of!(UContext, x) == 176);
const _: () = assert!(size_of::<UContext>() == 960);

/// `RISCV_V_MAGIC` (arch/riscv/include/uapi/asm/sigcontext.h).
const VECTOR_MAGIC: u32 = 0x5346_5457;
/// Longest state that is believed: 32 registers of 64 Kibit each.
const VECTOR_MOST: usize = 1 << 19;
/// Where in the vector state its pointer to the registers is (`struct __riscv_v_ext_state`).
const VECTOR_DATA: usize = 40;

impl Context {
    /// The interrupted address.
    pub fn pc(&self) -> usize {
        self.get().x[0] as usize
    }

    /// The result of the call that the context has just made, if it has made one.
    pub fn result(&self) -> isize {
        self.get().x[A0] as isize
    }

    /// Makes the call that the context has just made one that is still to be made, with the same
    /// arguments. `false` where the result has overwritten one of them.
    pub fn ask_again(&mut self, _number: u32) -> bool {
        false
    }

    /// Sets the result of the call that the context has just made.
    pub fn set_result(&mut self, result: isize) {
        self.get_mut().x[A0] = result as u64;
    }

    /// Sets the address at which the context goes on.
    pub fn set_pc(&mut self, pc: usize) {
        self.get_mut().x[0] = pc as u64;
    }

    /// The interrupted stack pointer.
    pub fn sp(&self) -> usize {
        self.get().x[SP] as usize
    }

    /// Sets the signals blocked when the context is resumed.
    pub fn set_mask(&mut self, mask: u64) {
        self.get_mut().sigmask = mask;
    }

    /// Makes the general registers those of `regs`.
    pub fn take_regs(&mut self, regs: &CallRegs) {
        self.get_mut().x = regs.x;
    }

    /// Makes the context what the exit code was about to make of the processor.
    pub fn finish_exit(&mut self, regs: &CallRegs) {
        self.take_regs(regs);
    }

    /// The context is at a site whose stub is at `stub`: the call goes to the resident.
    pub fn enter_stub(&mut self, stub: usize, block: &mut Block) {
        by_pointer::learn_if_unknown(block);
        let regs_at = block.stack_top - size_of::<CallRegs>();
        let c = self.get_mut();
        let desc = (stub + super::patch::DESC) as u64;
        let regs = CallRegs { x: c.x, number: c.x[A7], first: c.x[A0], desc, pad: 0 };
        // SAFETY: the resident's stack is empty while target code runs.
        unsafe { (regs_at as *mut CallRegs).write(regs) };
        block.regs = regs_at as *mut CallRegs;
        c.x[A0] = regs_at as u64;
        c.x[A0 + 1] = core::ptr::from_mut(block) as u64;
        c.x[RA] = 0;
        c.x[SP] = regs_at as u64;
        c.x[0] = entry_address() as u64;
    }

    /// Takes back what a stub has changed: stubs are not executed.
    ///
    /// # Safety
    /// The context must lie in that stub.
    pub unsafe fn leave_stub(&mut self, _site: &SiteDesc) {}

    /// The same for a stub of the vDSO's own, where there are such: its sites are those of any file.
    pub fn leave_vdso(&mut self) {}

    /// Whether the context is in such a stub: there is none.
    pub fn is_in_vdso(&self) -> bool {
        false
    }

    /// Makes the context start the handler of `action` with the frame at `frame`.
    pub fn enter_handler(&mut self, action: &KernelAction, signal: i32, frame: usize) {
        super::frame::enter(&mut self.get_mut().x, action.handler, signal, frame);
    }

    /// Bytes that follow the context: the vector state without its head, which is in the context,
    /// and the head that ends the list.
    pub(super) fn extra(&self) -> usize {
        let [magic, len] = self.get().next;
        let len = len as usize;
        if magic == VECTOR_MAGIC && (48..VECTOR_MOST).contains(&len) { len } else { 0 }
    }

    /// Where they are.
    pub(super) fn extra_at(&self) -> usize {
        self.0 as usize + size_of::<UContext>()
    }

    /// The place in a copy of the vector state at `to` that says where its registers are, and what it says there: they
    /// are copied with it.
    pub(super) fn registers_moved_to(&self, to: usize) -> Option<(usize, u64)> {
        let from = self.extra_at();
        (self.extra() != 0).then(|| {
            // SAFETY: inside the vector state, which is as long as its head says.
            let registers = unsafe { ((from + VECTOR_DATA) as *const u64).read_unaligned() };
            let distance = (to as u64).wrapping_sub(from as u64);
            (to + VECTOR_DATA, registers.wrapping_add(distance))
        })
    }

    /// Nothing follows the context.
    pub(super) fn drop_extra(&mut self) {
        self.get_mut().next = [0, 0];
    }

    /// Sets the thread pointer.
    pub(super) fn set_thread_pointer(&mut self, value: u64) {
        self.get_mut().x[TP] = value;
    }

    /// Makes the floating-point registers those that `entry.rs` saved at `saved`.
    pub(super) fn take_vectors(&mut self, saved: *const u8) {
        let c = self.get_mut();
        let saved: *const u64 = saved.cast();
        // SAFETY: `saved` has 32 registers and fcsr.
        unsafe {
            core::ptr::copy_nonoverlapping(saved, c.f.as_mut_ptr(), 32);
            c.fcsr = saved.add(32).read();
        }
    }
}
