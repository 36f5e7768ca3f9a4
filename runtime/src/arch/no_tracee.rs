//! The names of a traced thread's registers where they are shown as they are.

use super::{CallRegs, SYSCALL_INSTRUCTION};

/// The registers.
pub type Registers = [usize; 1];

/// The instructions that enter the kernel: not looked for.
pub const SYSCALL_BYTES: [[u8; SYSCALL_INSTRUCTION]; 0] = [];

/// Whether they are shown as the program's.
pub const SHOWS_REGISTERS: bool = false;

/// Program counter and stack pointer.
pub fn place_of(_registers: &Registers) -> [usize; 2] {
    [0; 2]
}

/// The block of a thread in its process: not known.
pub fn traced_block(_registers: &Registers, _tid: i32) -> Option<usize> {
    None
}

/// Which word of a [`CallRegs`] has the register.
pub fn kept_at(_register: usize) -> Option<usize> {
    None
}

/// Whether a call that is made on the program's behalf takes the register as it is there.
pub fn is_forwarded(_register: usize) -> bool {
    false
}

/// Whether the kernel has a call of the thread's.
pub fn is_in_call(_registers: &Registers) -> bool {
    false
}

/// Makes the registers what they would be behind a call.
pub fn show_behind(_registers: &mut Registers, _behind: usize, _is_compat: bool) {}

/// Makes them the program's.
pub fn show_caller(_registers: &mut Registers, _call: &CallRegs) {}
