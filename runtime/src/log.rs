//! `--log`, and the lines that must be said whatever happens. No allocation.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys;
use crate::view::OWN;

/// How much is said in the log file; each level has those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)]
pub enum Level {
    /// Nothing.
    Off = 0,
    /// What went wrong.
    Error = 1,
    /// What is not covered or not as fast as it could be.
    Warn = 2,
    /// Each program and library that is loaded.
    Info = 3,
    /// Each decision.
    Debug = 4,
}

impl Level {
    /// The level called `name`.
    pub fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"error" => Self::Error,
            b"warn" => Self::Warn,
            b"info" => Self::Info,
            b"debug" => Self::Debug,
            _ => return None,
        })
    }
}

static LEVEL: AtomicU32 = AtomicU32::new(0);

/// Sets how much is said.
pub fn set_level(level: Level) {
    LEVEL.store(level as u32, Ordering::Relaxed);
}

/// Whether lines of `level` are said.
pub fn enabled(level: Level) -> bool {
    LEVEL.load(Ordering::Relaxed) >= level as u32
}

/// A line under construction, cut when it is full.
pub struct Line {
    bytes: [u8; 1024],
    length: usize,
}

impl Line {
    /// An empty line.
    #[allow(clippy::new_without_default, reason = "an empty line is not a default of anything")]
    pub fn new() -> Self {
        Self { bytes: [0; 1024], length: 0 }
    }

    /// Appends `text`.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.raw(text.as_bytes())
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        let room = self.bytes.len() - self.length;
        let taken = bytes.len().min(room);
        self.bytes[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
        self
    }

    /// Appends a number.
    pub fn decimal(&mut self, value: i64) -> &mut Self {
        if value < 0 {
            self.raw(b"-");
        }
        self.digits(value.unsigned_abs(), 10)
    }

    /// Appends a number in hexadecimal with `0x`.
    pub fn hex(&mut self, value: u64) -> &mut Self {
        self.raw(b"0x").hexadecimal(value)
    }

    /// Appends a number in hexadecimal without a prefix.
    pub fn hexadecimal(&mut self, value: u64) -> &mut Self {
        self.digits(value, 16)
    }

    /// Appends a number in hexadecimal, of at least `width` digits.
    pub fn padded_hexadecimal(&mut self, value: u64, width: u32) -> &mut Self {
        let length = (64 - value.leading_zeros()).div_ceil(4).max(1);
        for _ in length..width {
            self.raw(b"0");
        }
        self.hexadecimal(value)
    }

    fn digits(&mut self, mut value: u64, base: u64) -> &mut Self {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b"0123456789abcdef"[(value % base) as usize];
            value /= base;
            if value == 0 {
                break;
            }
        }
        self.raw(&digits[at..])
    }

    /// What the line holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.text(text);
        Ok(())
    }
}

/// Writes one line to the log file, with the process's id.
pub fn say(level: Level, text: core::fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    let mut line = Line::new();
    line.decimal(i64::from(sys::getpid())).raw(b" ");
    let _cut = core::fmt::Write::write_fmt(&mut line, text);
    line.raw(b"\n");
    write(line.bytes());
}

/// Writes bytes to the log file, if there is one.
pub fn write(bytes: &[u8]) {
    let fd = OWN.log.get();
    if fd >= 0 {
        // A log that cannot be written (disk full) must not change what the program does.
        let _ = sys::write_aside(fd, bytes);
    }
}

/// Says something at a level, as `format!` would.
#[macro_export]
macro_rules! log {
    ($level:ident, $($text:tt)*) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::say($crate::log::Level::$level, format_args!($($text)*));
        }
    };
}

/// Writes bytes where a person sees them: standard error, and the log file if there is one.
pub fn emergency(bytes: &[u8]) {
    // There is nowhere left to report that this fails.
    let _ = sys::write_aside(2, bytes);
    write(bytes);
}

/// The same of what the program goes on after: a standard error that nobody reads, and that is full, does not keep it.
pub fn notice(bytes: &[u8]) {
    // What there is no room for is in the log.
    let _ = sys::write_in_passing(2, bytes);
    write(bytes);
}

/// Says that vload itself has failed, and where; the process ends with that.
pub fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut line = Line::new();
    line.text("vload: internal error: ");
    let _cut = core::fmt::Write::write_fmt(&mut line, format_args!("{info}"));
    line.text(" (version ").text(env!("CARGO_PKG_VERSION")).text(")\n");
    line.text("vload: this is a fault of vload, not of the program. Please report it.\n");
    emergency(line.bytes());
    sys::exit(125)
}
