//! Where a jump through a register gets its target from: 32-bit code keeps that to itself. Its
//! tables hold distances from the global offset table, whose address a register has since the
//! function's start, so nothing near the jump names them.

use crate::patch::Run;

/// An entry of a table of distances.
pub type Distance = i32;

/// No computed jump is known to go where something else names.
pub fn is_named_jump(_run: &Run, _code: &[u8], _index: usize) -> bool {
    false
}

/// No computed jump is known to add a table's base and an entry of it.
pub fn distance_jump(_run: &Run, _code: &[u8], _index: usize) -> bool {
    false
}

/// No operand is relative to its instruction.
pub fn address_operand(_bytes: &[u8], _address: u64) -> Option<u64> {
    None
}
