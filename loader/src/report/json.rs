//! JSON (RFC 8259), written as it comes.

use alloc::string::String;
use core::fmt::{self, Write};

/// A writer of one JSON text. What is opened must be closed by whoever opened it.
pub struct Json<'a> {
    out: &'a mut String,
    /// Whether the next value or key is not the first of its array or object.
    follows: bool,
    depth: usize,
}

impl<'a> Json<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut String) -> Self {
        Self { out, follows: false, depth: 0 }
    }

    /// Ends the text with a newline.
    pub fn finish(self) {
        self.out.push('\n');
    }

    #[inline(never)]
    fn separate(&mut self) {
        if core::mem::replace(&mut self.follows, true) {
            self.out.push(',');
        }
        // A line for each member of the outer levels: what changed can be seen with diff(1).
        if (1..=3).contains(&self.depth) && !self.out.ends_with(':') {
            self.out.push('\n');
        }
    }

    #[inline(never)]
    fn open(&mut self, bracket: char) {
        self.separate();
        self.out.push(bracket);
        self.follows = false;
        self.depth += 1;
    }

    #[inline(never)]
    fn close(&mut self, bracket: char) {
        self.out.push(bracket);
        self.follows = true;
        self.depth -= 1;
    }

    /// An object, whose members `fill` writes.
    pub fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.open('{');
        fill(self);
        self.close('}');
    }

    /// An array, whose elements `fill` writes.
    pub fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.open('[');
        fill(self);
        self.close(']');
    }

    /// The name of the member whose value comes next.
    #[inline(never)]
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.quoted(name);
        self.out.push(':');
        self.follows = false;
        self
    }

    /// A string.
    #[inline(never)]
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.quoted(text);
    }

    /// A string of bytes that may be no text: what is no UTF-8 is replaced by U+FFFD.
    #[inline(never)]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.separate();
        self.quoted(&String::from_utf8_lossy(bytes));
    }

    /// An address, as a string: JSON's numbers are exact up to 2⁵³ only.
    #[inline(never)]
    pub fn address(&mut self, address: u64) {
        self.separate();
        self.put(format_args!("\"{address:#x}\""));
    }

    /// A number.
    #[inline(never)]
    pub fn number(&mut self, number: u64) {
        self.separate();
        self.put(format_args!("{number}"));
    }

    /// `null`.
    #[inline(never)]
    pub fn null(&mut self) {
        self.separate();
        self.out.push_str("null");
    }

    /// A value, or `null`.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.null(),
        }
    }

    #[inline(never)]
    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                // The control characters, and DEL, which terminals take for one.
                '\0'..='\x1f' | '\x7f' => self.put(format_args!("\\u{:04x}", character as u32)),
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
    }

    #[inline(never)]
    fn put(&mut self, text: fmt::Arguments<'_>) {
        let put = self.out.write_fmt(text);
        // A `String` takes whatever its memory allows.
        debug_assert!(put.is_ok());
    }
}
