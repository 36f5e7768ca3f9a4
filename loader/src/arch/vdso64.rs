//! The vDSO where words are 64 bits wide.

/// The vDSO's own system calls, `__kernel_rt_sigreturn` among them, are patched like any other. Gives whether
/// the target may use it.
pub fn cover_vdso(base: usize) -> bool {
    runtime::text::cover_vdso(base);
    true
}
