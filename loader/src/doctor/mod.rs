//! `vload doctor`: what this machine and sandbox allow, and what that means for coverage.
//!
//! Everything is tried, not looked up. What may be answered by the end of the process is tried in a
//! child (`child`). `kernel`, `memory` and `process` have the probes, `print` the two forms.

mod child;
mod kernel;
mod memory;
mod print;
mod process;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use child::call;

use crate::report::Out;
use crate::vectors::Vectors;

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As vload wants it.
    Good,
    /// Calls are covered; something else is slower, or is not there.
    Limited,
    /// Calls may be made that vload does not see, or programs do not run.
    Missing,
}

/// One thing that was tried.
pub struct Line {
    name: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What it means, where it is not as it should be.
    means: &'static str,
    /// How it can be changed.
    fix: &'static str,
}

impl Line {
    /// A line about something that is as it should be.
    #[inline(never)]
    pub fn good(name: &'static str, found: fmt::Arguments<'_>) -> Self {
        Self { name, state: State::Good, found: text(found), means: "", fix: "" }
    }

    /// A line about something that is not.
    #[inline(never)]
    pub fn bad(
        name: &'static str,
        state: State,
        found: fmt::Arguments<'_>,
        means: &'static str,
        fix: &'static str,
    ) -> Self {
        Self { name, state, found: text(found), means, fix }
    }
}

fn text(arguments: fmt::Arguments<'_>) -> String {
    let mut text = String::new();
    let put = fmt::Write::write_fmt(&mut text, arguments);
    // A `String` takes whatever its memory allows.
    debug_assert!(put.is_ok());
    text
}

/// Tries everything, prints what was found, ends: with 1 when something is missing.
pub fn run(vectors: &Vectors, json: bool) -> ! {
    let mut lines = Vec::new();
    kernel::probe(vectors, &mut lines);
    memory::probe(vectors, &mut lines);
    process::probe(vectors, &mut lines);
    lines.extend(crate::arch::doctor(vectors));
    let status = i32::from(lines.iter().any(|line| line.state == State::Missing));
    let mut out = Out::new(vectors);
    if json {
        print::json(&lines, status, out.text());
    } else {
        print::text(&lines, &mut out);
    }
    out.end(status)
}
