//! One line of a trace, in the shape of `strace -e raw=all`.
//!
//! Arguments are what the registers held, written by their kind: descriptors, counts and other
//! numbers in decimal, modes in octal, pointers, flags and whatever else in hexadecimal, and
//! `AT_FDCWD` by name. A call of another kind than the native one says so in front: `[int80]` for
//! `int $0x80` in a 64-bit process, `[x32]` for an x32 number.

use super::text::Text;
use crate::abi::{Arg, Call, Entry, MAX_ARGS, Returns, errno};

/// No line is longer, its newline included.
pub const MAX_LEN: usize = 320;

/// The column at which results stand, as strace's (`-a 40`).
const RESULT_COLUMN: usize = 40;

/// `AT_FDCWD` (`fcntl.h`).
const AT_FDCWD: i32 = -100;

/// A call that has been made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Who made it, where that is to be said.
    pub pid: Option<u32>,
    /// How it was made.
    pub entry: Entry,
    /// Its number.
    pub number: usize,
    /// The argument registers.
    pub args: [usize; MAX_ARGS],
    /// What the kernel left in the result register; none if the call did not return.
    pub result: Option<isize>,
}

impl Line {
    /// Writes the line into `buffer` and gives its length. A buffer that is too short (one of
    /// [`MAX_LEN`] never is) gets a line that ends in `...`.
    pub fn write(&self, buffer: &mut [u8]) -> usize {
        let mut text = Text::new(buffer);
        if let Some(pid) = self.pid {
            text.str("[pid ");
            text.unsigned_right(pid.into(), 5);
            text.str("] ");
        }
        match self.entry {
            Entry::Native => {}
            Entry::Compat => text.str("[int80] "),
            Entry::X32 => text.str("[x32] "),
        }
        let call = self.entry.call(self.number);
        self.write_call(&mut text, call);
        text.str(" ");
        text.pad_to(RESULT_COLUMN);
        self.write_result(&mut text, call.map_or(Returns::Int, Call::returns));
        text.finish()
    }

    fn write_call(&self, text: &mut Text, call: Option<&Call>) {
        match call {
            Some(call) => text.str(call.name()),
            None => {
                // Zero too is behind 0x here, as strace has it.
                text.str(if self.number == 0 { "syscall_0x" } else { "syscall_" });
                text.hex(self.number_of_kernel());
            }
        }
        text.str("(");
        let kinds = call.map_or(&[Arg::Value; MAX_ARGS][..], Call::args);
        for (index, (kind, &register)) in kinds.iter().zip(&self.args).enumerate() {
            if index > 0 {
                text.str(", ");
            }
            self.write_arg(text, *kind, register);
        }
        text.str(")");
    }

    /// The number as the kernel takes it, an `int` whatever the register's width
    /// (`do_syscall_64`, arch/x86/entry/common.c; `el0_svc`, arch/arm64/kernel/syscall.c).
    fn number_of_kernel(&self) -> u64 {
        let number = self.number as u32;
        if self.entry.is_narrow() { number.into() } else { i64::from(number as i32) as u64 }
    }

    fn write_arg(&self, text: &mut Text, kind: Arg, register: usize) {
        // What the kernel takes as an `int` is the low half of the register.
        let int = register as i32;
        let word = if self.entry.is_narrow() { register as u32 as u64 } else { register as u64 };
        match kind {
            Arg::DirFd if int == AT_FDCWD => text.str("AT_FDCWD"),
            Arg::Int | Arg::Command | Arg::Clock | Arg::Signal | Arg::Pid => {
                text.signed(int.into());
            }
            Arg::Fd | Arg::DirFd => text.signed(int.into()),
            // Minus one asks for no change (chown(2), setresuid(2)).
            Arg::Id if int == -1 => text.str("-1"),
            Arg::Id | Arg::Unsigned => text.unsigned((register as u32).into()),
            Arg::Long | Arg::Offset => text.signed(self.sign_extended(register)),
            Arg::Size | Arg::OffsetLow | Arg::OffsetHigh | Arg::PageOffset => text.unsigned(word),
            Arg::Mode => text.octal((register as u32).into()),
            _ => text.hex(word),
        }
    }

    fn write_result(&self, text: &mut Text, returns: Returns) {
        text.str("= ");
        let Some(register) = self.result else {
            text.str("?");
            return;
        };
        let value = self.sign_extended(register as usize);
        if (-4095..0).contains(&value) {
            write_error(text, -value as i32);
            return;
        }
        let word = if self.entry.is_narrow() { value as u32 as u64 } else { value as u64 };
        match returns {
            Returns::Addr => text.hex(word),
            Returns::Mode => text.octal(word),
            // Identities are unsigned 32-bit numbers: 4294967295 is one.
            Returns::Id => text.unsigned(word & u64::from(u32::MAX)),
            _ => text.signed(value),
        }
    }

    /// A register as the signed word it is to the kernel.
    fn sign_extended(&self, register: usize) -> i64 {
        if self.entry.is_narrow() { (register as i32).into() } else { register as isize as i64 }
    }
}

fn write_error(text: &mut Text, error: i32) {
    let (sign, name, meaning) = match errno::restart(error) {
        Some((name, meaning)) => ("? ", name, meaning),
        None => match (errno::name(error), errno::text(error)) {
            (Some(name), Some(meaning)) => ("-1 ", name, meaning),
            _ => {
                text.str("-1 (errno ");
                text.signed(error.into());
                text.str(")");
                return;
            }
        },
    };
    for part in [sign, name, " (", meaning, ")"] {
        text.str(part);
    }
}

#[cfg(test)]
mod tests;
