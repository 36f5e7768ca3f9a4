//! The registers of a traced thread, as ptrace(2) has them (`struct user_regs_struct`, arch/x86/include/asm/user_64.h).

use super::CallRegs;
use super::thread::{KEY, MAGIC};
use crate::sys;
use core::mem::size_of;

/// The registers, in that order: up to `rip` it is that of [`CallRegs`].
pub type Registers = [usize; 27];

const R11: usize = 6;
const RAX: usize = 10;
const RCX: usize = 11;
const NUMBER: usize = 15;
const PC: usize = 16;
const FLAGS: usize = 18;
const SP: usize = 19;
const GS_BASE: usize = 22;

const WORDS: usize = size_of::<CallRegs>() / size_of::<usize>();
const _: () = assert!(align_of::<CallRegs>() == align_of::<usize>());

/// The instructions that enter the kernel: `syscall`, `int $0x80`.
pub const SYSCALL_BYTES: [[u8; 2]; 2] = [[0x0f, 0x05], [0xcd, 0x80]];

/// Whether they are shown as the program's.
pub const SHOWS_REGISTERS: bool = true;

/// Program counter and stack pointer.
pub fn place_of(registers: &Registers) -> [usize; 2] {
    [registers[PC], registers[SP]]
}

/// The block of thread `tid` in its process; `None` where its registers do not lead there.
pub fn traced_block(registers: &Registers, tid: i32) -> Option<usize> {
    let block = registers[GS_BASE];
    let mut key = [0u64];
    sys::read_process(tid, block.wrapping_add(KEY), &mut key).ok()?;
    (key == [(MAGIC as u64).wrapping_neg()]).then_some(block)
}

/// Which word of a [`CallRegs`] has the register.
pub fn kept_at(register: usize) -> Option<usize> {
    match register {
        ..=PC => Some(register),
        FLAGS | SP => Some(register - 1),
        _ => None,
    }
}

/// Whether a call that is made on the program's behalf takes the register as it is there.
pub fn is_forwarded(register: usize) -> bool {
    matches!(register, 7..=10 | 12..=15)
}

/// Whether the kernel has a call of the thread's, which is being made or has been made.
pub fn is_in_call(registers: &Registers) -> bool {
    registers[NUMBER] as isize >= 0
}

/// Makes the registers what they would be behind a call at `behind`.
pub fn show_behind(registers: &mut Registers, behind: usize, is_compat: bool) {
    registers[PC] = behind;
    if !is_compat {
        registers[RCX] = behind;
        registers[R11] = registers[FLAGS];
    }
}

/// Makes them the program's, with which the resident was entered, but for the result.
pub fn show_caller(registers: &mut Registers, call: &CallRegs) {
    // SAFETY: they are words.
    let words = unsafe { &*core::ptr::from_ref(call).cast::<[usize; WORDS]>() };
    let result = registers[RAX];
    for (register, value) in registers.iter_mut().enumerate() {
        if let Some(at) = kept_at(register) {
            *value = words[at];
        }
    }
    registers[RAX] = result;
}
