//! What one vload tells the next across `execve(2)`: in arguments of its own before the target's.
//!
//! ```text
//! argv[0]  "vload"
//! argv[1]  "--resumed=" and numbers (see [`Resumed`])
//! argv[2]  the options of the session, as `Options` keeps them
//! argv[3]  the path by which the target was executed (AT_EXECFN)
//! argv[4]  the seccomp filters of the process (`seccomp::text`)
//! argv[5]  AT_EXECFN of a program that the framework has executed, else ""
//! argv[6]  where that lies, if the system does not find it there, else ""
//! argv[7…] the target's own vector
//! ```

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::digits::decimal;
use crate::log::Line;
use crate::view::HANDED_ON;

/// Number of arguments before the target's.
pub const PRIVATE_ARGUMENTS: usize = 7;
/// How `argv[1]` begins.
const MARK: &[u8] = b"--resumed=";
/// Goes up with every change of what is told.
const VERSION: i64 = 8;

/// The numbers that cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// vload's descriptors, in the order of [`crate::view::Descriptors::handed_on`].
    pub own: [i32; HANDED_ON],
    /// The opened target; −1 when it must be opened by its path.
    pub program: i32,
    /// Whether the target's path means nothing to a script's interpreter, because the descriptor
    /// it stands for is closed by the exec (`BINPRM_FLAGS_PATH_INACCESSIBLE`).
    pub inaccessible: bool,
    /// The descriptor that holds the vectors, when they were too long beside ours; else −1.
    pub spilled: i32,
    /// Whether a trace names the process in each line.
    pub many: bool,
    /// Which io_urings may have been kept (`layer::ring::handed_on`).
    pub rings: u32,
    /// The view of the process.
    pub view: u32,
    /// The raw arguments of the call, for the trace.
    pub arguments: [u64; 5],
    /// Its number.
    pub number: u32,
}

impl Resumed {
    /// The number where no call of the target's is behind the exec, or its line is written already.
    pub const NOT_A_CALL: u32 = u32::MAX;

    /// Writes `argv[1]` with its NUL.
    pub fn write(&self, line: &mut Line) {
        line.raw(MARK).decimal(VERSION);
        for fd in self.own {
            line.raw(b":").decimal(i64::from(fd));
        }
        line.raw(b":").decimal(i64::from(self.program));
        line.raw(b":").decimal(i64::from(self.inaccessible));
        line.raw(b":").decimal(i64::from(self.spilled));
        line.raw(b":").decimal(i64::from(self.many));
        line.raw(b":").decimal(self.rings.into());
        line.raw(b":").decimal(i64::from(self.view));
        line.raw(b":").decimal(i64::from(self.number));
        for argument in self.arguments {
            line.raw(b":").decimal(argument as i64);
        }
        line.raw(b"\0");
    }

    /// Reads `argv[1]`. `None` when it is not of this version's making.
    pub fn read(argument: &[u8]) -> Option<Self> {
        let mut numbers =
            argument.strip_prefix(MARK)?.split(|&byte| byte == b':').map(parse_number);
        let mut next = || numbers.next().flatten();
        if next()? != VERSION {
            return None;
        }
        let fd = |number: i64| i32::try_from(number).ok();
        let mut own = [-1; HANDED_ON];
        for place in &mut own {
            *place = fd(next()?)?;
        }
        let program = fd(next()?)?;
        let inaccessible = next()? != 0;
        let spilled = fd(next()?)?;
        let many = next()? != 0;
        let rings = next()? as u32;
        let view = next()? as u32;
        let number = next()? as u32;
        let arguments =
            [next()? as u64, next()? as u64, next()? as u64, next()? as u64, next()? as u64];
        if next().is_some() {
            return None;
        }
        Some(Self { own, program, inaccessible, spilled, many, rings, view, arguments, number })
    }
}

fn parse_number(digits: &[u8]) -> Option<i64> {
    match digits.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(decimal(digits)?),
        None => decimal(digits),
    }
}

/// Longest options of a session, in bytes.
const ROOM: usize = 8192;
/// Between two options: no option's text holds it.
const SEPARATOR: u8 = 0x1f;

/// The options of the session: `name=value` texts, as the command line gave them.
pub struct Options {
    bytes: UnsafeCell<[u8; ROOM]>,
    length: AtomicUsize,
}

// SAFETY: written before the process has a second thread, and only read afterwards.
unsafe impl Sync for Options {}

/// This session's.
pub static OPTIONS: Options =
    Options { bytes: UnsafeCell::new([0; ROOM]), length: AtomicUsize::new(0) };

impl Options {
    /// Takes over what [`Options::bytes`] gave in the process before. `false` when it is too long.
    ///
    /// # Safety
    /// The process must have one thread, which has not entered the target.
    pub unsafe fn take(&self, text: &[u8]) -> bool {
        // SAFETY: the caller's promise makes this the only access.
        let bytes = unsafe { &mut *self.bytes.get() };
        let Some(place) = bytes.get_mut(..text.len()) else { return false };
        if text.len() + 1 > ROOM {
            return false;
        }
        place.copy_from_slice(text);
        bytes[text.len()] = 0;
        self.length.store(text.len(), Ordering::Release);
        true
    }

    /// Adds one option. `false` when there is no room or the value cannot be kept.
    ///
    /// # Safety
    /// As for [`Options::take`].
    pub unsafe fn add(&self, name: &str, value: &[u8]) -> bool {
        let used = self.length.load(Ordering::Relaxed);
        let total = used + name.len() + 1 + value.len() + 1;
        if total + 1 > ROOM || value.contains(&SEPARATOR) || value.contains(&0) {
            return false;
        }
        // SAFETY: the caller's promise makes this the only access.
        let bytes = unsafe { &mut *self.bytes.get() };
        let mut at = used;
        for part in [name.as_bytes(), b"=", value, &[SEPARATOR]] {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        bytes[at] = 0;
        self.length.store(at, Ordering::Release);
        true
    }

    /// All options in one text; a NUL follows it in memory.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: written before `length`, and not afterwards.
        let bytes = unsafe { &*self.bytes.get() };
        &bytes[..self.length.load(Ordering::Acquire)]
    }

    /// The values given for `name`, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.bytes()
            .split(|&byte| byte == SEPARATOR)
            .filter_map(move |option| option.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    /// Calls `visit` with the name and the value of each option, in order.
    pub fn each(&self, mut visit: impl FnMut(&[u8], &[u8])) {
        for option in self.bytes().split(|&byte| byte == SEPARATOR) {
            if let Some(equals) = option.iter().position(|&byte| byte == b'=') {
                visit(&option[..equals], &option[equals + 1..]);
            }
        }
    }

    /// Whether there are no options but `name`.
    pub fn has_only(&self, name: &str) -> bool {
        let mut only = true;
        self.each(|other, _| only &= other == name.as_bytes());
        only
    }

    /// Whether the switch `name` was given.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let told = Resumed {
            own: [1023, -1, 7, 1_000_000, 5],
            program: 3,
            inaccessible: true,
            spilled: -1,
            many: true,
            rings: 2,
            view: 7,
            arguments: [1, u64::MAX, 0, 5, 6],
            number: 59,
        };
        let mut line = Line::new();
        told.write(&mut line);
        let text = line.bytes().strip_suffix(b"\0").expect("ends with NUL");
        assert_eq!(Resumed::read(text), Some(told));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for text in ["", "--resumed=", "--resumed=1", "--resumed=1:1:1:1:1:1:1:1:1:1:1:1:1:1", "x"]
        {
            assert_eq!(Resumed::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn options_come_back() {
        let options = Options { bytes: UnsafeCell::new([0; ROOM]), length: AtomicUsize::new(0) };
        // SAFETY: the value is this test's own.
        unsafe {
            assert!(options.add("skip", b"/lib/a:0x10"));
            assert!(options.add("no-cache", b""));
            assert!(options.add("skip", b"b"));
            assert!(!options.add("skip", b"a\x1fb"));
        }
        let skips: std::vec::Vec<_> = options.values("skip").collect();
        assert_eq!(skips, [&b"/lib/a:0x10"[..], b"b"]);
        assert!(options.has("no-cache"));
        assert!(!options.has("no"));
    }
}
