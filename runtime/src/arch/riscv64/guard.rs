//! Code of a module's, called so that a fault in it ends no more than the call: the instructions of
//! `arch/guard.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .option push
    .option arch, +d
    .hidden vload_guarded, vload_guard_failed, vload_trap
    .globl vload_guarded, vload_guard_failed, vload_trap
vload_guarded:                          # a0 = function, a1 = its argument, a2 = where sp is kept
    addi    sp, sp, -208                # what a callee preserves (RISC-V calling convention, 1.1 and 1.2)
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    fsd     fs0, 104(sp)
    fsd     fs1, 112(sp)
    fsd     fs2, 120(sp)
    fsd     fs3, 128(sp)
    fsd     fs4, 136(sp)
    fsd     fs5, 144(sp)
    fsd     fs6, 152(sp)
    fsd     fs7, 160(sp)
    fsd     fs8, 168(sp)
    fsd     fs9, 176(sp)
    fsd     fs10, 184(sp)
    fsd     fs11, 192(sp)
    sd      sp, 0(a2)
    mv      t0, a0
    mv      a0, a1
    jalr    t0
2:  ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    fld     fs0, 104(sp)
    fld     fs1, 112(sp)
    fld     fs2, 120(sp)
    fld     fs3, 128(sp)
    fld     fs4, 136(sp)
    fld     fs5, 144(sp)
    fld     fs6, 152(sp)
    fld     fs7, 160(sp)
    fld     fs8, 168(sp)
    fld     fs9, 176(sp)
    fld     fs10, 184(sp)
    fld     fs11, 192(sp)
    addi    sp, sp, 208
    ret
vload_guard_failed:                     # a0 = what was kept
    mv      sp, a0
    li      a0, -5                      # -EIO
    j       2b
vload_trap:
    unimp
    .option pop
    .previous
    "#,
);
