//! The vector state that Rust may change, saved and put back: xmm0 to xmm15, and mxcsr behind them. The
//! stack pointer is at [`VECTOR_AREA`](super::call_regs::VECTOR_AREA) bytes of room, a multiple of 16.

/// Saves it.
macro_rules! save_vectors {
    () => {
        r#"
    stmxcsr 256(%rsp)
    .irp    i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps  %xmm\i, 16*\i(%rsp)
    .endr
        "#
    };
}

/// Puts it back.
macro_rules! restore_vectors {
    () => {
        r#"
    ldmxcsr 256(%rsp)
    .irp    i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps  16*\i(%rsp), %xmm\i
    .endr
        "#
    };
}

pub(super) use {restore_vectors, save_vectors};
