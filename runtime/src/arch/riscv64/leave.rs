//! The ways between the target and the resident that are Rust: out through a signal frame, and in
//! from the end of a handler.

use core::mem::size_of;

use super::call_regs::{A7, CallRegs, SP};
use super::context::UContext;
use super::thread::thread_pointer;
use super::{Context, SigInfo, sigreturn};
use crate::layer::vload_resident_call;
use crate::patch::{Entry, KEEPS_NEXT, KEEPS_SITE, Shape, SiteDesc};
use crate::signal::{is_held, vload_resident_deliver};
use crate::sys;
use crate::text;
use crate::thread::Block;

/// What `rt_sigreturn` takes.
#[repr(C)]
struct Frame {
    info: SigInfo,
    context: UContext,
}

/// Goes on in the target with `regs`, and the floating-point registers beside them.
///
/// # Safety
/// `regs` must lie on the resident's stack of the calling thread, with the state below that
/// `entry.rs` saved, and `block` be its block.
pub(super) unsafe extern "C" fn leave(regs: &mut CallRegs, block: &mut Block) -> ! {
    let mask = loop {
        let mask = sys::set_signal_mask(sys::ALL_SIGNALS);
        if !is_held(block) {
            // What mask the target has behind that is its own affair.
            let is_set = core::mem::replace(&mut block.exit_mask_set, 0) != 0;
            break if is_set { block.exit_mask } else { mask };
        }
        // SAFETY: the registers are those of the call that is ending.
        unsafe { vload_resident_deliver(regs, block) };
    };
    // SAFETY: all zero is a valid frame.
    let mut frame: Frame = unsafe { core::mem::zeroed() };
    let mut context = Context(&raw mut frame.context);
    context.take_regs(regs);
    // Not the resident's: what a clone has set for its child.
    context.set_thread_pointer(thread_pointer());
    context.set_pc(text::shown_pc(regs.pc()));
    context.take_vectors(regs.vectors());
    context.set_mask(mask);
    context.set_altstack(block.signal_stack.0, 0, block.signal_stack.1);
    // SAFETY: the frame is complete, and all signals are blocked.
    unsafe { sigreturn(&raw const frame as usize) }
}

/// The site at which a handler of the target's ends that returned to the resident.
static END_OF_HANDLER: SiteDesc = SiteDesc {
    site: 0,
    resume: 0,
    gate: 0,
    entry: Entry::Syscall as u8,
    keeps: KEEPS_SITE | KEEPS_NEXT,
    start: 0,
    shape: Shape::Trap as u8,
    test: 0,
};

/// A handler of the target's has returned, with its frame at `sp`.
///
/// # Safety
/// Called by `entry.rs` alone, on the resident's stack of the calling thread.
pub(super) unsafe extern "C" fn end_of_handler(block: &mut Block, sp: usize) -> ! {
    const RT_SIGRETURN: u64 = linux_raw_sys::general::__NR_rt_sigreturn as u64;
    /// Room for floating-point state, as beside any registers.
    #[repr(C, align(16))]
    struct Saved([u8; super::call_regs::VECTOR_AREA], CallRegs);
    const _: () =
        assert!(size_of::<Saved>() == super::call_regs::VECTOR_AREA + size_of::<CallRegs>());
    let mut saved = Saved([0; super::call_regs::VECTOR_AREA], CallRegs::ZERO);
    let regs = &mut saved.1;
    regs.x[SP] = sp as u64;
    regs.x[A7] = RT_SIGRETURN;
    regs.number = RT_SIGRETURN;
    regs.desc = &raw const END_OF_HANDLER as u64;
    block.regs = regs;
    // SAFETY: as for a call from a site.
    unsafe {
        vload_resident_call(regs, block);
        leave(regs, block)
    }
}
