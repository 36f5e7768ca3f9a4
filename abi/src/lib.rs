//! The one description of system calls: numbers, names, argument kinds. No behaviour.
//!
//! [`lookup`] finds a call by number, [`by_name`] by name; traces, claims and tests read the
//! same rows. `calls.rs` has them.

#![no_std]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

mod arch;
mod calls;
mod compact;
mod entry;
pub mod errno;
pub mod held;
mod kind;
mod service;
mod structs;
#[cfg(test)]
mod tests;
mod x32;

pub use compact::{Call, MAX_ARGS, NUMBERS};
pub use entry::Entry;
pub use kind::{Arg, Returns};
pub use service::Service;
pub use structs::Struct;
pub use x32::{X32_BIT, x32};

use compact::{CALLS, indexes};

/// Whose numbers a call is made by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Table {
    /// The `syscall` instruction of a 64-bit x86 process.
    X86_64,
    /// A 32-bit x86 process, and `int $0x80` in a 64-bit one.
    I386,
    /// aarch64.
    Aarch64,
    /// riscv64.
    Riscv64,
}

impl Table {
    /// The table of the processor that this is compiled for.
    pub const NATIVE: Table = arch::NATIVE;

    /// The other table that a native process can enter the kernel by, where there is one.
    pub const COMPAT: Option<Table> = arch::COMPAT;

    /// The name of the processor's mode, as compilers have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i686",
            Self::Aarch64 => "aarch64",
            Self::Riscv64 => "riscv64",
        }
    }
}

/// The call with `number` in `table`.
pub fn lookup(table: Table, number: u32) -> Option<&'static Call> {
    let index = indexes(table).get(usize::try_from(number).ok()?)?;
    CALLS.get(usize::from(*index))
}

/// The number and description of the call that `table` has under `name`.
pub fn by_name(table: Table, name: &str) -> Option<(u32, &'static Call)> {
    calls(table).find(|(_, call)| call.name() == name)
}

/// The number that the processor's own table has for `name`: for tables that are made at compile time.
pub const fn native_number(name: &str) -> Option<usize> {
    compact::number(Table::NATIVE, name)
}

/// How many of the names the processor's own table has.
pub const fn count_native(names: &[&str]) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < names.len() {
        count += native_number(names[at]).is_some() as usize;
        at += 1;
    }
    count
}

/// Their numbers.
pub const fn native_numbers<const COUNT: usize>(names: &[&str]) -> [usize; COUNT] {
    let mut numbers = [0; COUNT];
    let (mut at, mut end) = (0, 0);
    while at < names.len() {
        if let Some(number) = native_number(names[at]) {
            numbers[end] = number;
            end += 1;
        }
        at += 1;
    }
    numbers
}

/// The numbers of the calls of the processor's own table that have a path.
pub const PATHS: [usize; compact::count_paths(Table::NATIVE)] = compact::paths(Table::NATIVE);

/// All calls of `table` with their numbers, in the order of the numbers.
pub fn calls(table: Table) -> impl Iterator<Item = (u32, &'static Call)> {
    (0..NUMBERS as u32).filter_map(move |number| Some((number, lookup(table, number)?)))
}
