//! binfmt_misc: the entries are read from `/proc`, where they can be seen.

use core::ffi::CStr;

use crate::arch;
use crate::image::misc::Entry;
use crate::image::{HEAD_SIZE, Head, PATH_MAX};
use crate::sys;
use linux_raw_sys::general::{O_CLOEXEC, O_DIRECTORY, O_RDONLY};

/// An entry that takes a file.
pub struct Match<'a> {
    /// The program that runs it.
    pub interpreter: &'a CStr,
    /// `P`.
    pub keeps_argv0: bool,
    /// `O`, which `C` implies: the interpreter gets the file opened (`AT_EXECFD`).
    pub opens: bool,
}

/// The first entry that takes the file which begins with `head`. The kernel asks the newest first,
/// and lists them in that order. `None` where nothing can be seen: then the kernel is asked to
/// execute what no other format takes (`check::program`).
pub fn entry_for<'b>(
    head: &Head,
    path: &CStr,
    buffer: &'b mut [u8; PATH_MAX],
) -> Option<Match<'b>> {
    let directory =
        sys::openat(sys::CWD, c"/proc/sys/fs/binfmt_misc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
            .ok()?;
    let found = search(directory, head, path, buffer);
    sys::close(directory);
    let (length, keeps_argv0, opens) = found?;
    let interpreter = CStr::from_bytes_with_nul(&buffer[..=length]).ok()?;
    Some(Match { interpreter, keeps_argv0, opens })
}

/// The beginning of vload's own file. An entry that takes it names the emulator in which we run: what
/// we run, it runs too.
fn own_head() -> Option<Head> {
    let (start, end) = arch::image_range();
    if end - start < HEAD_SIZE {
        return None;
    }
    // SAFETY: the image begins with the file's headers, and stays mapped.
    let bytes = unsafe { core::slice::from_raw_parts(start as *const u8, HEAD_SIZE) };
    Head::read(bytes).ok()
}

/// Copies the interpreter of the matching entry to `buffer`; gives its length, and its flags `P` and
/// `O`.
fn search(
    directory: i32,
    head: &Head,
    path: &CStr,
    buffer: &mut [u8; PATH_MAX],
) -> Option<(usize, bool, bool)> {
    let mut found = None;
    let own = own_head();
    sys::list(directory, &mut |name| {
        if found.is_some() || matches!(name.to_bytes(), b"." | b".." | b"register" | b"status") {
            return;
        }
        let Ok(fd) = sys::openat(directory, name, O_RDONLY | O_CLOEXEC, 0) else { return };
        let mut text = [0u8; 2048];
        let length = sys::pread(fd, &mut text, 0).unwrap_or(0);
        sys::close(fd);
        let Some(entry) = Entry::parse(&text[..length]) else { return };
        let interpreter = entry.interpreter;
        if own.is_some_and(|own| entry.matches(&own, b"")) {
            return;
        }
        if entry.enabled && interpreter.len() < PATH_MAX && entry.matches(head, path.to_bytes()) {
            buffer[..interpreter.len()].copy_from_slice(interpreter);
            buffer[interpreter.len()] = 0;
            let opens = entry.open_binary || entry.credentials;
            found = Some((interpreter.len(), entry.preserve_argv0, opens));
        }
    })
    .ok()?;
    found
}
