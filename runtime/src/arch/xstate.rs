//! The vector state beyond SSE, of which the resident uses nothing: it is the caller's all the time.

use core::arch::asm;

/// An area of XRSTOR's standard form (Intel SDM, volume 1, 13.4) that has no component: each is initial.
#[repr(C, align(64))]
struct Initial([u8; 576]);

/// Gives the vector registers beyond SSE the values that they have when a handler starts (`fpu__clear_user_states`,
/// arch/x86/kernel/fpu/core.c). What protection keys allow stays.
///
/// # Safety
/// The processor has XSAVE, and the system uses it.
pub(super) unsafe fn start_handler() {
    const X87_SSE: u32 = 3;
    const PKRU: u32 = 1 << 9;
    let initial = Initial([0; 576]);
    // SAFETY: the caller's promise; the area is aligned and readable. It sets mxcsr too, to 0, which the exit sets
    // again; nothing computes until then.
    unsafe {
        asm!("xrstor [{}]", in(reg) &raw const initial, in("eax") !(X87_SSE | PKRU), in("edx") !0u32,
             options(nostack, readonly));
    }
}
