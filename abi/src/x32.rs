//! x32: calls that a 64-bit process makes with bit 30 of the number set.

use super::{Call, Table, lookup};

/// The bit that says so (`__X32_SYSCALL_BIT`).
pub const X32_BIT: u32 = 0x4000_0000;

/// The first of the numbers that x32 has for itself (`syscall_64.tbl`, "Due to a historical
/// design error").
const FIRST: u32 = 512;

/// The x86-64 numbers of the calls that stand at `FIRST` and on: their native numbers answer
/// `ENOSYS` under x32, because their structures differ there.
#[rustfmt::skip]
const NATIVE: [u16; 36] = [
    13, 15, 16, 19, 20, 45, 46, 47, 59, 101, 127, 128, 129, 131, 222, 244, 246, 247,
    273, 274, 278, 279, 295, 296, 297, 299, 307, 310, 311, 54, 55, 206, 209, 322, 327, 328,
];

/// Whose numbers the native ones are: only a process of x86-64 makes such calls.
const TABLE: Table = Table::NATIVE;

/// The call that x32 number `number` stands for, with or without [`X32_BIT`]. Names are the
/// native ones; whoever prints them says `x32` beside.
pub fn x32(number: u32) -> Option<&'static Call> {
    let number = number & !X32_BIT;
    if let Some(index) = number.checked_sub(FIRST) {
        let native = NATIVE.get(usize::try_from(index).ok()?)?;
        return lookup(TABLE, u32::from(*native));
    }
    if NATIVE.iter().any(|native| u32::from(*native) == number) {
        return None;
    }
    lookup(TABLE, number)
}
