//! What is run, suite by suite.

mod stack;

use crate::case::Case;

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(stack::cases());
    cases
}
