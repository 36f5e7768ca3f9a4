//! Syscall user dispatch (Documentation/admin-guide/syscall-user-dispatch.rst), and the ways of a
//! watched process through the gate.
//!
//! The kernel allows calls from one range of addresses, which is the gate. So in a watched process a
//! stub makes no call itself: every number looks wanted to it, and it comes to `vload_watched_entry`,
//! which asks the real table and makes the call here. That entry, like a stub, writes no flags and
//! nothing on the stack. The way back is kept in the thread block; a signal that finds the thread on the way
//! moves it to the same place in its stub first, so that the calls of a handler find the block free.

use core::arch::global_asm;
use core::mem::offset_of;

use super::SigInfo;
use super::thread::{KEY, MAGIC};
use crate::arch::Watched;
use crate::layer::TABLE;
use crate::patch::SiteDesc;
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 64
    # In an adopted process: a thread that calls for the first time has no block, and the load below
    # would fault (adopt.rs). It gets one as by any other entry.
    .hidden vload_watched_adopted
    .globl vload_watched_adopted
vload_watched_adopted:                  # as below
    rdgsbase %rcx
    jrcxz   1f
    jmp     vload_watched_entry
1:  jmp     vload_lost
    .hidden vload_watched_entry
    .globl vload_watched_entry
vload_watched_entry:                    # r11 = desc, rax = number; rcx is free
    movq    %gs:{key}, %rcx             # does gs lead to a block? (entry.rs; the load may fault)
    leaq    {magic}(%rcx), %rcx
    jrcxz   1f
    jmp     vload_lost                  # the whole call goes to the resident
1:  movq    %rsp, %gs:{sp}              # by which a debugger finds the block (unwind.rs)
    movq    %r11, %gs:{site}
    .hidden vload_watched_kept
    .globl vload_watched_kept
vload_watched_kept:                     # from here on the block has the site
    movzwl  %ax, %ecx
    movq    {table}(%rip), %r11
    movzbl  (%r11,%rcx), %ecx           # wanted by a layer?
    jrcxz   2f
    jmp     3f
2:  movl    %gs:{must_arm}, %ecx        # a thread that is not armed is armed on its way out of the
    jrcxz   4f                          # resident
3:  movq    %gs:{site}, %r11
    jmp     vload_found
4:  movq    %gs:{site}, %r11            # no instruction here writes flags
    movzbl  {resume}(%r11), %ecx
    notq    %rcx
    leaq    1(%r11,%rcx), %rcx          # r11 - resume: where the stub goes on
    movq    %rcx, %gs:{way}
    movslq  {address}(%r11), %rcx
    leaq    2(%r11,%rcx), %rcx          # behind the site: what the kernel leaves in rcx there
    movq    %rcx, %gs:{way}+8
    syscall
    .hidden vload_watched_done
    .globl vload_watched_done
vload_watched_done:
    movq    %gs:{way}+8, %rcx
    jmp     *%gs:{way}
    .hidden vload_watched_end
    .globl vload_watched_end
vload_watched_end:

    # Behind the call of a stub in a process that is watched since: the low bit of the description's
    # address says that the call has been made.
    .balign 16
    .hidden vload_returned_entry
    .globl vload_returned_entry
vload_returned_entry:                   # r11 = desc; rcx is free
    leaq    1(%r11), %r11
    jmp     vload_entry
    .balign 16
    .hidden vload_returned_adopted
    .globl vload_returned_adopted
vload_returned_adopted:
    leaq    1(%r11), %r11
    jmp     vload_entry_adopted
    .previous
    "#,
    site = const offset_of!(Block, watched_site),
    key = const KEY,
    magic = const MAGIC,
    must_arm = const offset_of!(Block, must_arm),
    resume = const offset_of!(SiteDesc, resume),
    address = const offset_of!(SiteDesc, site),
    way = const offset_of!(Block, watched_way),
    sp = const offset_of!(Block, watched_sp),
    table = sym TABLE,
    options(att_syntax)
);

unsafe extern "C" {
    fn vload_watched_adopted();
    fn vload_returned_adopted();
    fn vload_watched_entry();
    fn vload_watched_kept();
    fn vload_watched_done();
    fn vload_watched_end();
    fn vload_returned_entry();
}

/// Whether a process on this processor can be watched.
pub const CAN_WATCH: bool = true;

/// The addresses that go into the link pages of a watched process: where a stub comes with its call,
/// and where it comes behind it.
pub fn watched_entries() -> (usize, usize) {
    if crate::adopt::is_adopted() {
        let watched = vload_watched_adopted as *const () as usize;
        return (watched, vload_returned_adopted as *const () as usize);
    }
    (vload_watched_entry as *const () as usize, vload_returned_entry as *const () as usize)
}

/// Where the entry of a watched call asks whether gs leads to a block.
pub(super) fn watched_check() -> usize {
    vload_watched_entry as *const () as usize
}

/// The way of a watched call, once the block knows it.
pub(super) fn watched_range() -> (usize, usize) {
    (vload_watched_kept as *const () as usize, vload_watched_end as *const () as usize)
}

/// Where `pc` is on the way of a watched call.
pub fn watched_at(pc: usize) -> Watched {
    let start = vload_watched_adopted as *const () as usize;
    let kept = vload_watched_kept as *const () as usize;
    let done = vload_watched_done as *const () as usize;
    let end = vload_watched_end as *const () as usize;
    if (start..kept).contains(&pc) {
        Watched::Entering
    } else if (kept..done).contains(&pc) {
        Watched::Before
    } else if (done..end).contains(&pc) {
        Watched::After
    } else {
        Watched::Elsewhere
    }
}

/// Whether a `SIGSYS` of user dispatch is for an `int $0x80` (`si_arch`, AUDIT_ARCH_I386 of
/// linux/audit.h).
pub fn dispatched_compat(info: &SigInfo) -> bool {
    const AUDIT_ARCH_I386: u32 = 0x4000_0003;
    (info[3] >> 32) as u32 == AUDIT_ARCH_I386
}
