//! Messages to the person who typed the command: what, where, why, what to do.

use runtime::log::Line;
use runtime::sys;

/// vload cannot do what its command line asks (as env(1) and timeout(1) use it).
pub const USAGE: i32 = 125;
/// The program is there but cannot be executed.
pub const NOT_EXECUTABLE: i32 = 126;
/// The program is not there.
pub const NOT_FOUND: i32 = 127;

/// Says why and ends.
pub fn fail(status: i32, text: core::fmt::Arguments<'_>) -> ! {
    let mut line = Line::new();
    line.text("vload: ");
    let _cut = core::fmt::Write::write_fmt(&mut line, text);
    line.text("\n");
    runtime::log::emergency(line.bytes());
    sys::exit(status)
}

/// A path or word in a message: as it is, but for bytes that are not text.
pub struct Shown<'a>(pub &'a [u8]);

impl core::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}
