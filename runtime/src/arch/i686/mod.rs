//! 32-bit x86.
//!
//! The C library makes its calls through `AT_SYSINFO`, the address of `__kernel_vsyscall` in the
//! vDSO: [`vdso`] replaces the vDSO's text with a copy in which that function leads to the resident.
//! What enters the kernel by an `int $0x80` of its own is patched like a site of any processor.

mod call_regs;
mod clone;
mod context;
mod copy;
mod entry;
mod exit;
mod forward;
mod frame;
mod guard;
mod handler;
pub mod numbers;
mod old;
pub mod patch;
mod raw;
mod siginfo;
mod target;
mod thread;
mod ticks;
pub mod vdso;

pub use super::context::Context;
pub use super::extended::{KEPT, Kept, can_keep, component, keeping};
pub use super::gate::{
    ABORTED, WindowAddresses, enter_target, exit_thread, forward, forwarded, gate_range,
    own_call_done, sigreturn, syscall, syscall_unasked,
};
pub use super::kernel_action::{ACTION_FLAGS, KernelAction};
pub use super::keyless::{has_keys, with_every_key};
pub use super::no_adoption::{can_adopt, is_covered, keep_thread_register};
pub use super::one_way_in::{forward_compat, forward_windows};
pub use super::tsc::ticks;
pub use super::ways_out::{exit_window, restorer};
pub use call_regs::CallRegs;
pub use clone::{CLONE_TLS, clone_vm};
pub(in crate::arch) use context::UContext;
pub use entry::syscall_entries;
pub use frame::{Extended, RED_ZONE, Returning, build_frame, enter_handler};
pub use handler::handler;
pub use raw::{
    fallocate64, ftruncate64, kernel_bits, mmap_offset, mmap64, offset_of_pair, pread64,
    statfs_flags,
};
pub use siginfo::{
    SI_QUEUE, SIGINFO_KEPT, SigInfo, queued_info, set_si_addr, set_si_code, si_addr, si_code,
    si_perf_type, si_signo, si_value, user_dispatch_info,
};
pub use thread::{
    Binding, bind_thread_block, block_without_call, escape_of_fault, expect_child, forked,
    hold_bindings, lend_thread_register, release_bindings, restore_thread_register, thread_block,
};

/// What a compiler of modules in C is told besides what all are: programs of 64 bits are what it makes by default,
/// and the resident saves the vector state of SSE and no other.
pub const MODULE_FLAGS: &[&str] = &["-m32", "-msse2", "-mfpmath=sse", "-mno-avx"];

/// How a filter knows the calls of this architecture (`AUDIT_ARCH_I386`, linux/audit.h).
pub const AUDIT_ARCH: u32 = 0x4000_0003;
/// There is no other way.
pub const AUDIT_ARCH_COMPAT: u32 = AUDIT_ARCH;

/// Length of the instruction that enters the kernel.
pub const SYSCALL_INSTRUCTION: usize = 2;
/// That instruction, as an assembler reads it.
#[cfg(test)]
pub const ENTERS: &str = "int $0x80";
/// Bytes below the caller's stack pointer that stubs and the entry use: a word, and room.
pub const STACK_USED: usize = 64;
/// `e_machine` of the files that this build runs.
pub const MACHINE: u16 = 3;
/// How far behind a trap instruction the program counter is when its signal arrives.
pub const TRAP_LEAVES: usize = 1;
/// `si_code` of a trap of which a virtual machine has lost what the processor said (DR6; seen a few times in
/// a hundred million single steps, under KVM): `TRAP_BRKPT`. No instruction of vload's has it.
pub const UNREASONED: Option<i32> = Some(1);
/// Whether a signal that a thread sends itself with the code of a fault reaches it everywhere: QEMU, by which this
/// project runs aarch64 and riscv64, takes it for a fault of its own code (host_signal_handler, linux-user/signal.c).
pub const CAN_SEND_FAULTS: bool = true;
