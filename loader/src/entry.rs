//! From the kernel's stack to the resident's, in both programs.

use runtime::memory::guard;
use runtime::process;
use runtime::thread::POOL;

use crate::auxv::{AT_HWCAP2, AT_PAGESZ};
use crate::handover;
use crate::message::{NOT_EXECUTABLE, fail};
use crate::vectors::Vectors;

/// Called by the first instructions, relocated, on the kernel's stack. The rest runs on the stack
/// that will be the resident's, so that the kernel's is free to be built anew.
///
/// # Safety
/// Called once, by `_start`.
#[unsafe(no_mangle)]
unsafe extern "C" fn vload_start(sp: usize) -> ! {
    guard::own_image();
    let Ok(block) = POOL.take() else {
        fail(NOT_EXECUTABLE, format_args!("no memory for the resident's stack"));
    };
    handover::set_first_block(block);
    // SAFETY: the block is fresh and nothing uses its stack.
    unsafe { crate::arch::on_stack((*block).stack_top, sp, on_own_stack) }
}

extern "C" fn on_own_stack(sp: usize) -> ! {
    // SAFETY: `sp` is the kernel's, and only read so far.
    let vectors = unsafe { Vectors::at(sp) };
    if let Some(size) = vectors.aux(AT_PAGESZ) {
        process::set_page_size(size);
    }
    process::set_hwcap2(vectors.aux(AT_HWCAP2).unwrap_or(0));
    crate::decide(vectors)
}
