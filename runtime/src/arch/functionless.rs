//! What the patcher asks of a processor about functions that stand for calls, where none is owned.

use crate::patch::{Function, Owned, Site, Stub};

/// None.
pub const FUNCTIONS: &[Function] = &[];

/// No function's first instructions move.
pub const FUNCTION_HEAD: u64 = 1;

/// No branch moves.
pub fn can_move_branch(_bytes: &[u8]) -> bool {
    false
}

/// No function is looked at.
pub fn is_return(_bytes: &[u8]) -> bool {
    false
}

/// There is no stub of a function.
pub fn emit_function(
    _stub: &mut Stub,
    _site: &Site,
    _owned: &Owned,
    _original: &[u8],
) -> Option<()> {
    None
}
