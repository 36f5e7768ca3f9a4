//! A path being made, in a buffer of its own.

use core::ffi::CStr;
use vload_module::{Errno, Result};

/// The longest path, with its zero (`PATH_MAX`).
pub const LONGEST: usize = 4096;
/// The longest name (`NAME_MAX`).
pub const NAME: usize = 255;

/// A canonical absolute path; the root is `/`. A zero follows it.
pub struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Text {
    /// The root.
    pub const fn root() -> Self {
        let mut bytes = [0; LONGEST];
        bytes[0] = b'/';
        Self { bytes, length: 1 }
    }

    /// A copy of a canonical path; `""` is the root.
    pub fn of(path: &[u8]) -> Result<Self> {
        let mut text = Self::root();
        text.set(path)?;
        Ok(text)
    }

    /// Makes it a copy of a canonical path; `""` is the root.
    pub fn set(&mut self, path: &[u8]) -> Result<()> {
        if path.len() >= LONGEST {
            return Err(Errno::NAMETOOLONG);
        }
        let path = if path.is_empty() { b"/" } else { path };
        self.bytes[..path.len()].copy_from_slice(path);
        self.end(path.len());
        Ok(())
    }

    /// Makes it what `fill` writes into its room: a canonical path, so long, without a zero.
    pub fn fill(&mut self, fill: impl FnOnce(&mut [u8; LONGEST]) -> Result<usize>) -> Result<()> {
        let length = fill(&mut self.bytes);
        let valid =
            |length: &usize| *length < LONGEST && self.bytes[..*length].first() == Some(&b'/');
        match length {
            Ok(length) if valid(&length) => {
                self.end(length);
                Ok(())
            }
            other => {
                self.bytes[0] = b'/';
                self.end(1);
                Err(other.err().unwrap_or(Errno::NOENT))
            }
        }
    }

    fn end(&mut self, length: usize) {
        self.length = length;
        self.bytes[length] = 0;
    }

    /// It.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// It with its zero.
    pub fn c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.bytes[..=self.length]).unwrap_or(c"/")
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.length == 1
    }

    /// Appends a name.
    pub fn push(&mut self, name: &[u8]) -> Result<()> {
        let at = if self.is_root() { 1 } else { self.length + 1 };
        let end = at + name.len();
        if end >= LONGEST {
            return Err(Errno::NAMETOOLONG);
        }
        self.bytes[at - 1] = b'/';
        self.bytes[at..end].copy_from_slice(name);
        self.end(end);
        Ok(())
    }

    /// Takes the last name away; the root stays.
    pub fn pop(&mut self) {
        let slash = self.bytes().iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.end(slash.max(1));
    }

    /// The last name; `""` of the root.
    pub fn name(&self) -> &[u8] {
        self.bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// What it is when `from`, which it is or is below, is `to`. None when it is not, or gets too long.
    pub fn moved(&self, from: &[u8], to: &[u8]) -> Option<Self> {
        let rest = self.bytes().strip_prefix(from).filter(|_| self.is_within(from))?;
        let mut moved = Self::of(to).ok()?;
        if let Some(names) = rest.strip_prefix(b"/") {
            moved.push(names).ok()?;
        }
        Some(moved)
    }

    /// Whether this is `directory` or below it; `""` is the root.
    pub fn is_within(&self, directory: &[u8]) -> bool {
        is_within(self.bytes(), directory)
    }
}

/// Whether a canonical path is `directory` or below it; `""` and `/` are the root.
pub fn is_within(path: &[u8], directory: &[u8]) -> bool {
    if directory.len() <= 1 {
        return true;
    }
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// A number in decimal.
pub fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 || at == 0 {
            return &digits[at..];
        }
    }
}

/// What is left to walk: at most [`LONGEST`] bytes, which grow at the front when a link is followed.
pub struct Rest {
    bytes: [u8; LONGEST],
    at: usize,
    end: usize,
}

impl Rest {
    /// Nothing.
    pub const fn none() -> Self {
        Self { bytes: [0; LONGEST], at: 0, end: 0 }
    }

    /// A path as it was given, which `fill` writes, with a zero behind it: its length without that.
    pub fn fill(&mut self, fill: impl FnOnce(&mut [u8; LONGEST]) -> Result<usize>) -> Result<()> {
        (self.at, self.end) = (0, 0);
        let length = fill(&mut self.bytes)?;
        *self.bytes.get_mut(length).ok_or(Errno::NAMETOOLONG)? = 0;
        self.end = length;
        Ok(())
    }

    /// Makes it a copy of a path.
    pub fn set(&mut self, path: &[u8]) -> Result<()> {
        self.fill(|bytes| {
            bytes.get_mut(..path.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(path);
            Ok(path.len())
        })
    }

    /// It with its zero, before anything of it was walked.
    pub fn c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    /// What is left.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.at..self.end]
    }

    /// The next name, in `to`: its length, and whether a slash follows. None at the end.
    pub fn next(&mut self, to: &mut [u8; NAME]) -> Result<Option<(usize, bool)>> {
        let slashes = self.bytes().iter().take_while(|&&byte| byte == b'/').count();
        self.at += slashes;
        let left = self.bytes();
        let length = left.iter().position(|&byte| byte == b'/').unwrap_or(left.len());
        if length == 0 {
            return Ok(None);
        }
        let slash = length < left.len();
        to.get_mut(..length).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(&left[..length]);
        self.at += length;
        Ok(Some((length, slash)))
    }

    /// Whether nothing but slashes is left.
    pub fn is_over(&self) -> bool {
        self.bytes().iter().all(|&byte| byte == b'/')
    }

    /// Puts a link's text before what is left.
    pub fn before(&mut self, link: &[u8]) -> Result<()> {
        let left = self.end - self.at;
        if link.len() + left >= LONGEST {
            return Err(Errno::NAMETOOLONG);
        }
        self.bytes.copy_within(self.at..self.end, link.len());
        self.bytes[..link.len()].copy_from_slice(link);
        (self.at, self.end) = (0, link.len() + left);
        Ok(())
    }
}
