//! Messages to the person who typed the command: what, where, why, what to do.

use runtime::log::Line;
pub use runtime::shown::Shown;
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
