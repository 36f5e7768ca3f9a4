//! What the patcher asks about computed jumps, where it does not need to know.

use crate::patch::Run;

/// Whether a computed jump goes to an address that something else names. No shape needs to know:
/// none changes what a jump could lead into.
pub fn is_named_jump(_run: &Run, _code: &[u8], _index: usize) -> bool {
    false
}

/// An entry of a table of distances.
pub type Distance = i32;

/// Whether a computed jump adds an entry of a table of distances; see [`is_named_jump`].
pub fn distance_jump(_run: &Run, _code: &[u8], _index: usize) -> bool {
    false
}

/// The address that an instruction makes relative to itself, of interest for tables of distances.
pub fn address_operand(_bytes: &[u8], _address: u64) -> Option<u64> {
    None
}
