//! What the patcher asks of a processor about functions that stand for calls, where none is owned and
//! none is at an address of the kernel's.

use crate::patch::{Function, Load, Owned, Site, Stub};

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

/// Nothing names such an address.
pub fn fixed_addresses(_bytes: &[u8], _code: bool, _found: impl FnMut(usize)) {}

/// Nothing loads one.
pub fn fixed_load(_bytes: &[u8]) -> Option<Load> {
    None
}

/// Nothing is asked.
pub fn calls_register(_bytes: &[u8], _register: u8) -> bool {
    false
}

/// Nothing is asked.
pub fn keeps_register(_bytes: &[u8], _address: u64, _register: u8) -> bool {
    false
}

/// There is no load to replace.
pub fn rewrite_load(_vaddr: u64, _load: &Load, _stub: u64) -> Option<([u8; 10], usize)> {
    None
}

/// There is no stub.
pub fn emit_fixed(_stub: &mut Stub, _number: u32) -> Option<()> {
    None
}
