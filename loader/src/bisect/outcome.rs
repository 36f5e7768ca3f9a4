//! What a run of the command leaves, and in what two runs differ.

use core::fmt;

use runtime::sys;

use crate::message::USAGE;

/// How a run ended, and what it wrote.
pub struct Outcome {
    /// As wait(2) gives it; `None`: not in time.
    pub status: Option<i32>,
    /// Standard output.
    pub output: Text,
    /// Standard error.
    pub errors: Text,
}

/// What was written to a file of ours, mapped.
pub struct Text {
    start: usize,
    length: usize,
}

impl Text {
    /// Takes the contents of the file, and closes it.
    pub fn take(fd: i32) -> sys::Result<Self> {
        let length = sys::fstat(fd)?.size as usize;
        let start = if length == 0 { 0 } else { sys::map_private(fd, 0, length)? };
        sys::close(fd);
        Ok(Self { start, length })
    }

    fn bytes(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: mapped by `take` for as long as this value. Nobody is left who could cut the file.
        unsafe { core::slice::from_raw_parts(self.start as *const u8, self.length) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if self.length != 0 {
            // SAFETY: mapped by `take`, and not used any more.
            unsafe { sys::munmap(self.start, self.length) };
        }
    }
}

/// In what a run differs from a native one.
#[derive(Clone, Copy)]
pub enum Difference {
    /// The native status, and the other one.
    Status(Option<i32>, Option<i32>),
    /// The stream, and the first line that is not the same.
    Text(&'static str, usize),
}

impl Outcome {
    /// What vload has said instead of beginning the run, because of its options.
    pub fn refusal(&self) -> Option<&[u8]> {
        let said = self.errors.bytes();
        let refused = self.status == Some(USAGE << 8) && said.starts_with(b"vload: ");
        (refused && !said.starts_with(b"vload: internal error")).then_some(said)
    }

    /// What the second of two runs does otherwise; `status`: nothing but the status is looked at.
    pub fn compare(&self, other: &Self, status: bool) -> Option<Difference> {
        if self.status != other.status {
            return Some(Difference::Status(self.status, other.status));
        }
        let texts = [
            ("standard output", &self.output, &other.output),
            ("standard error", &self.errors, &other.errors),
        ];
        texts.into_iter().filter(|_| !status).find_map(|(name, mine, theirs)| {
            let (mine, theirs) = (mine.bytes(), theirs.bytes());
            if mine == theirs {
                return None;
            }
            let same = mine.iter().zip(theirs).take_while(|(a, b)| a == b);
            Some(Difference::Text(name, 1 + same.filter(|(byte, _)| **byte == b'\n').count()))
        })
    }
}

/// A status as a person reads it.
struct End(Option<i32>);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("no end in time"),
            Some(status) if status & 0x7f != 0 => write!(f, "signal {}", status & 0x7f),
            Some(status) => write!(f, "exit status {}", status >> 8 & 0xff),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Status(one, other) => write!(f, "{} instead of {}", End(other), End(one)),
            Self::Text(stream, line) => write!(f, "{stream} differs from line {line} on"),
        }
    }
}
