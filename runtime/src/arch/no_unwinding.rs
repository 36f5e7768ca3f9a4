//! The name of the rules for debuggers on processors for which there are none.

use crate::view::unwind::Unwinding;

/// The rules by which a debugger goes from a stub to the site: none.
pub fn unwinding() -> Option<Unwinding> {
    None
}
