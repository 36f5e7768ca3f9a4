//! aarch64.

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
pub mod patch;
mod target;
mod thread;

pub use super::all_kept::{KEPT, Kept, can_keep, component, keeping};
pub use super::by_pointer::{
    Binding, bind_thread_block, block_without_call, escape_of_fault, expect_child, forked,
    hold_bindings, lend_thread_register, release_bindings, restore_thread_register, thread_block,
};
pub use super::clone64::clone_vm;
pub use super::context::Context;
pub use super::gate::{
    ABORTED, WindowAddresses, enter_target, exit_thread, forward, forwarded, gate_range,
    own_call_done, sigreturn, syscall, syscall_unasked,
};
pub use super::generic_numbers as numbers;
pub use super::kernel_action::{ACTION_FLAGS, KernelAction};
pub use super::keyless::{has_keys, with_every_key};
pub use super::no_adoption::{can_adopt, is_covered, keep_thread_register};
pub use super::one_way_in::{forward_compat, forward_windows};
pub use super::raw64::{
    fallocate64, ftruncate64, kernel_bits, mmap_offset, mmap64, offset_of_pair, pread64,
    statfs_flags,
};
pub use super::returning_in_place::Returning;
pub use super::siginfo64::{
    SI_QUEUE, SIGINFO_KEPT, SigInfo, queued_info, set_si_addr, set_si_code, si_addr, si_code,
    si_perf_type, si_signo, si_value, user_dispatch_info,
};
pub use super::ways_out::{exit_window, restorer};
pub use call_regs::CallRegs;
pub(in crate::arch) use call_regs::VECTOR_AREA;
pub use clone::CLONE_TLS;
pub(in crate::arch) use context::HEAD;
pub(in crate::arch) use context::UContext;
pub use entry::syscall_entries;
pub(in crate::arch) use frame::CONTEXT;
pub use frame::{Extended, RED_ZONE, build_frame, enter_handler};
pub use handler::handler;
pub use thread::{thread_pointer, ticks};

/// What a compiler of modules in C is told besides what all are: nothing.
pub const MODULE_FLAGS: &[&str] = &[];

/// How a filter knows the calls of this architecture (`AUDIT_ARCH_AARCH64`, linux/audit.h).
pub const AUDIT_ARCH: u32 = 0xc000_00b7;
/// There is no other way.
pub const AUDIT_ARCH_COMPAT: u32 = AUDIT_ARCH;

/// Length of the instruction that enters the kernel.
pub const SYSCALL_INSTRUCTION: usize = 4;
/// That instruction, as an assembler reads it.
#[cfg(test)]
pub const ENTERS: &str = "svc #0";
/// Bytes below the caller's stack pointer that stubs and the entry use.
pub const STACK_USED: usize = 64;
/// `e_machine` of the files that this build runs.
pub const MACHINE: u16 = 183;
/// How far behind a trap instruction the program counter is when its signal arrives: `brk` leaves
/// it where it is (arch/arm64/kernel/debug-monitors.c).
pub const TRAP_LEAVES: usize = 0;
/// `si_code` of a trap of which it is not known that it is that of a single step: none.
pub const UNREASONED: Option<i32> = None;
/// Whether a signal that a thread sends itself with the code of a fault reaches it everywhere: QEMU, by which this
/// project runs aarch64 and riscv64, takes it for a fault of its own code (host_signal_handler, linux-user/signal.c).
pub const CAN_SEND_FAULTS: bool = false;
