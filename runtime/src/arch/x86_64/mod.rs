//! x86-64.

mod adopt;
mod call_regs;
mod clone;
mod context;
mod copy;
mod decode;
mod decode_tables;
mod entry;
mod exit;
mod forward;
mod frame;
mod guard;
mod handler;
mod keys;
mod lost;
pub mod numbers;
pub mod patch;
mod target;
mod thread;
mod ticks;
mod tracee;
mod unwind;
mod vectors;
mod watch;

pub use super::clone64::clone_vm;
pub use super::context::Context;
pub use super::extended::{KEPT, Kept, can_keep, component, keeping};
pub use super::gate::{
    ABORTED, WindowAddresses, enter_target, exit_thread, forward, forwarded, gate_range,
    own_call_done, syscall, syscall_unasked,
};
pub use super::kernel_action::{ACTION_FLAGS, KernelAction};
pub use super::raw64::{
    fallocate64, ftruncate64, kernel_bits, mmap_offset, mmap64, offset_of_pair, pread64,
    statfs_flags,
};
pub use super::siginfo64::{
    SI_QUEUE, SIGINFO_KEPT, SigInfo, queued_info, set_si_addr, set_si_code, si_addr, si_code,
    si_perf_type, si_signo, si_value, user_dispatch_info,
};
pub use super::tsc::ticks;
pub use super::ways_out::{exit_window, restorer};
pub use adopt::{can_adopt, is_covered, keep_thread_register};
pub use call_regs::CallRegs;
pub(in crate::arch) use call_regs::VECTOR_AREA;
pub use clone::CLONE_TLS;
pub(in crate::arch) use context::UContext;
pub use entry::{anywhere_entries, syscall_entries};
pub use forward::{forward_compat, forward_windows};
pub use frame::{Extended, RED_ZONE, Returning, build_frame, enter_handler};
pub use handler::{handler, sigreturn};
pub use keys::{has_keys, with_every_key};
pub use lost::escape_of_fault;
pub use patch::divert;
pub use thread::{
    Binding, bind_thread_block, block_without_call, expect_child, forked, hold_bindings,
    lend_thread_register, release_bindings, restore_thread_register, thread_block,
};
pub use tracee::{
    Registers, SHOWS_REGISTERS, SYSCALL_BYTES, is_forwarded, is_in_call, kept_at, place_of,
    show_behind, show_caller, traced_block,
};
pub use unwind::unwinding;
pub use watch::{CAN_WATCH, dispatched_compat, watched_at, watched_entries};

/// The processor runs in 64-bit mode.
const LONG_MODE: bool = true;

/// What a compiler of modules in C is told besides what all are: the resident saves the vector state of SSE and no
/// other.
pub const MODULE_FLAGS: &[&str] = &["-mno-avx"];

/// How a filter knows the calls of this architecture (`AUDIT_ARCH_X86_64`, linux/audit.h).
pub const AUDIT_ARCH: u32 = 0xc000_003e;
/// How it knows those that come the other way, `int $0x80` (`AUDIT_ARCH_I386`).
pub const AUDIT_ARCH_COMPAT: u32 = 0x4000_0003;

/// Length of the instruction that enters the kernel.
pub const SYSCALL_INSTRUCTION: usize = 2;
/// That instruction, as an assembler reads it.
#[cfg(test)]
pub const ENTERS: &str = "syscall";
/// Bytes below the caller's stack pointer that stubs and the entry use: none.
pub const STACK_USED: usize = 0;
/// `e_machine` of the files that this build runs.
pub const MACHINE: u16 = 62;
/// How far behind a trap instruction the program counter is when its signal arrives.
pub const TRAP_LEAVES: usize = 1;
/// `si_code` of a trap of which a virtual machine has lost what the processor said (DR6; seen a few times in
/// a hundred million single steps, under KVM): `TRAP_BRKPT`. No instruction of vload's has it.
pub const UNREASONED: Option<i32> = Some(1);
/// Whether a signal that a thread sends itself with the code of a fault reaches it everywhere: QEMU, by which this
/// project runs aarch64 and riscv64, takes it for a fault of its own code (host_signal_handler, linux-user/signal.c).
pub const CAN_SEND_FAULTS: bool = true;
