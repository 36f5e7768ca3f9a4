//! Real programs to their end, with identical output.

use crate::case::Case;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![Case::new("program/true").run(&["/bin/true"])]
}
