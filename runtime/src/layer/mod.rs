//! What a call means: the layers, newest first, and below them the system itself.

mod call;
pub mod count;
mod failing;
mod forward;
mod list;
pub mod modules;
mod origin;
pub mod raw;
pub mod refresh;
pub mod ring;
pub mod spec;
mod system;
mod tables;
mod trace;
mod trial;
mod wanted;

pub use call::Call;
pub use list::{FIXED, LAYERS, Layer, Next, layers, pass_below, stay_in, tell};
pub use system::{Compat, Legacy, can_do_without};
pub use tables::{TABLES, fill as fill_table, show_wanted};
pub use trace::{Mode as TraceMode, many, many_processes, set_mode as set_trace_mode};
pub use trial::record as record_trial;
pub use wanted::{
    Class, Reason, TABLE, fill_link_page, is_reason, is_reason_gone, own_functions, set_class,
    share, show_everything, want, want_base, want_everything_here,
};

use core::sync::atomic::Ordering;

use crate::abi::Entry;
use crate::arch::{ABORTED, CallRegs};
use crate::process::{self, Course};
use crate::signal;
use crate::thread::Block;
use origin::Origin;

/// Where a call arrives (`arch/*/entry`).
///
/// # Safety
/// Called by the entry code alone, on the thread's resident stack.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vload_resident_call(regs: &mut CallRegs, block: &mut Block) {
    // SAFETY: the entry code left what brought the call.
    let origin = unsafe { Origin::of(regs) };
    let (sp, address) = (regs.sp(), origin.address);
    block.exit_mask_set = 0;
    block.temporary_mask = None;
    // A call that was left by `rt_sigreturn` has left its layers too.
    block.guard.store(core::ptr::null_mut(), Ordering::Relaxed);
    block.inside.store(0, Ordering::Relaxed);
    match origin.resume {
        Some(resume) => regs.set_pc(resume),
        None => regs.return_to_caller(),
    }
    if origin.made {
        regs.set_clobbers(address + crate::arch::SYSCALL_INSTRUCTION);
        return;
    }
    refresh::look();
    loop {
        let mut call = Call::new(regs, block, origin.compat);
        let compat = call.entry == Entry::Compat;
        let course = process::judge_dispatch(call.block, call.number, call.entry, address);
        let result = match course {
            Course::Made => list::dispatch(&mut call),
            // `syscall_rollback`: the result register has the number again.
            Course::Dispatched => call.number as isize,
            Course::Again => ABORTED,
        };
        if result != ABORTED {
            regs.set_result(result);
            if !compat {
                regs.set_clobbers(address + crate::arch::SYSCALL_INSTRUCTION);
            }
            return;
        }
        // A signal came before the call had an effect. Its handler runs first, then the target
        // makes the call again, as it does natively.
        regs.rearm();
        if signal::is_held(block) {
            regs.set_pc(origin.again);
            regs.set_sp(sp);
            return;
        }
    }
}
