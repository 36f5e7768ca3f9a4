//! Servers and programs with a screen.

use crate::case::Case;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![Case::new("server/none").run(&["/bin/true"])]
}
