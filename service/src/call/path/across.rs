//! Calls with two paths that lead to different file systems: what the kernel says before it says `EXDEV`.

use core::ffi::CStr;

use abi::{Arg, Service};
use vload_module::{Errno, Result};

use super::asked::{Asked, Spot};
use crate::path::tree::{CWD, is_link};
use crate::path::{LONGEST, Text};
use crate::vload;

/// Where one of the paths leads.
pub enum Side<'a> {
    /// To a claim.
    Claimed(&'a Spot, &'a Text),
    /// Where the kernel finds it.
    Kernel,
    /// To a real place that the kernel does not find by itself.
    Real(&'a Text),
}

/// What is looked for on a side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A file.
    File,
    /// The directory of a name.
    Directory,
}

/// Why the call fails: what is wrong with one of the paths, or `EXDEV` (`filename_linkat`, `filename_renameat2`,
/// fs/namei.c).
pub fn refusal(asked: &Asked<'_>, sides: [Side<'_>; 2]) -> Errno {
    let is_link = asked.described.service() == Some(Service::Link);
    let [first, second] = sides;
    let wanted = if is_link { Wanted::File } else { Wanted::Directory };
    match first.look(asked, 0, wanted) {
        Err(error) => error,
        Ok(()) if is_link => refusal_of(asked, second),
        Ok(()) => second.look(asked, 1, Wanted::Directory).err().unwrap_or(Errno::XDEV),
    }
}

/// The same of an open file, which is to get a name on another file system.
pub fn refusal_of(asked: &Asked<'_>, side: Side<'_>) -> Errno {
    match side.look(asked, 1, Wanted::Directory) {
        Err(error) => error,
        Ok(()) if side.look(asked, 1, Wanted::File).is_ok() => Errno::EXIST,
        Ok(()) => Errno::XDEV,
    }
}

impl Side<'_> {
    /// Whether that is there.
    fn look(&self, asked: &Asked<'_>, number: usize, wanted: Wanted) -> Result<()> {
        match self {
            Side::Claimed(spot, path) if wanted == Wanted::File => spot.stat(path).map(drop),
            Side::Claimed(spot, path) => spot.has_directory(path),
            Side::Kernel => {
                let index = asked.path(number).ok_or(Errno::INVAL)?;
                let directory = match asked.described.args()[index] {
                    Arg::PathAt(directory) => asked.call.arguments[usize::from(directory)],
                    _ => CWD,
                };
                let mut bytes = [0; LONGEST];
                let length = vload::get_string(&mut bytes, asked.call.arguments[index])?;
                look_real(directory, &mut bytes, length, wanted)
            }
            Side::Real(path) => {
                let mut bytes = [0; LONGEST];
                let path = path.bytes();
                bytes[..path.len()].copy_from_slice(path);
                look_real(CWD, &mut bytes, path.len(), wanted)
            }
        }
    }
}

/// Asks the kernel whether that is there. A name of `length` bytes has a zero behind it, and room for one.
#[inline(never)]
fn look_real(
    directory: usize,
    path: &mut [u8; LONGEST],
    length: usize,
    wanted: Wanted,
) -> Result<()> {
    if length == 0 {
        return Err(Errno::NOENT);
    }
    if wanted == Wanted::Directory {
        // The last name makes room for a dot, which is looked up in the directory.
        let Some(end) = path[..length].iter().rposition(|&byte| byte != b'/') else {
            return Ok(());
        };
        let name = path[..end].iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        path[name..name + 2].copy_from_slice(b".\0");
    }
    let path = CStr::from_bytes_until_nul(path).map_err(|_| Errno::NAMETOOLONG)?;
    match is_link((directory, path)) {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}
