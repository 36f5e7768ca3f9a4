//! What `check`, `doctor` and `bisect` print: text for a person, JSON for a program.

mod json;

use alloc::string::String;
use core::fmt;

use runtime::sys;

use crate::vectors::Vectors;

pub use json::Json;

/// Text for standard output, written as a whole.
pub struct Out {
    text: String,
    colour: bool,
}

/// How a word stands out on a terminal.
#[derive(Clone, Copy)]
pub enum Style {
    /// A heading.
    Bold,
    /// As it should be.
    Good,
    /// Not all as it could be.
    Doubtful,
    /// Missing.
    Bad,
}

impl Style {
    /// The escape sequence that begins it (ECMA-48, SGR).
    fn sequence(self) -> &'static str {
        match self {
            Self::Bold => "\x1b[1m",
            Self::Good => "\x1b[32m",
            Self::Doubtful => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }
}

impl Out {
    /// Nothing so far. Colour is for terminals that have it, unless `NO_COLOR` is set.
    pub fn new(vectors: &Vectors) -> Self {
        let wanted = vectors.env(b"NO_COLOR").is_none_or(<[u8]>::is_empty)
            && vectors.env(b"TERM").is_some_and(|term| !term.is_empty() && term != b"dumb");
        Self { text: String::new(), colour: wanted && sys::is_terminal(1) }
    }

    /// Appends `text`, which stands out.
    #[inline(never)]
    pub fn styled(&mut self, style: Style, text: fmt::Arguments<'_>) {
        if self.colour {
            self.text.push_str(style.sequence());
        }
        self.put(text);
        if self.colour {
            self.text.push_str("\x1b[0m");
        }
    }

    /// Appends `text`.
    #[inline(never)]
    pub fn put(&mut self, text: fmt::Arguments<'_>) {
        let put = fmt::Write::write_fmt(&mut self.text, text);
        // A `String` takes whatever its memory allows.
        debug_assert!(put.is_ok());
    }

    /// The text so far, for a writer of its own kind.
    pub fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// Writes everything to standard output and ends with `status`, or with 1 when nobody takes it.
    pub fn end(self, status: i32) -> ! {
        let written = sys::write_all(1, self.text.as_bytes());
        sys::exit(if written.is_ok() { status } else { status.max(1) })
    }
}
