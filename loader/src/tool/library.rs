//! Where modules are looked for: in the user's folder, the installed one, and beside the program.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use linux_raw_sys::general::O_RDONLY;
use runtime::sys::{self, Errno, Result};

use crate::client::folder_of;
use crate::vectors::Vectors;

/// A file that is longer is no module.
const LONGEST: usize = 256 << 20;

/// The file of a module, by its name or, with a slash in it, as it is. `own` is the path of the program `vload`.
pub fn find(vectors: &Vectors, own: &CStr, name: &[u8]) -> Option<CString> {
    if name.contains(&b'/') {
        return CString::new(name).ok();
    }
    let mut folders: Vec<Vec<u8>> = Vec::new();
    // XDG Base Directory Specification.
    match (vectors.env(b"XDG_DATA_HOME"), vectors.env(b"HOME")) {
        (Some(base), _) if base.starts_with(b"/") => {
            folders.push([base, b"/vload/modules"].concat());
        }
        (_, Some(home)) if home.starts_with(b"/") => {
            folders.push([home, b"/.local/share/vload/modules"].concat());
        }
        _ => {}
    }
    let folder = folder_of(own.to_bytes());
    folders.push([folder, b"/../lib/vload"].concat());
    folders.push(folder.into());
    // Installed; and as cargo calls what it builds.
    let paths = folders.iter().flat_map(|folder| {
        [&b"/"[..], b"/lib", b"/libvload_"].map(|before| [folder, before, name, b".so"].concat())
    });
    let mut paths = paths.filter_map(|path| CString::new(path).ok());
    paths.find(|path| sys::stat(sys::CWD, path).is_ok_and(|stat| stat.is_file()))
}

/// All bytes of a file.
pub fn read(path: &CStr) -> Result<Vec<u8>> {
    let file = sys::openat(sys::CWD, path, O_RDONLY, 0)?;
    let read = read_all(file);
    sys::close(file);
    read
}

fn read_all(file: i32) -> Result<Vec<u8>> {
    const AT_ONCE: usize = 1 << 16;
    let mut bytes = Vec::new();
    loop {
        let length = bytes.len();
        if length > LONGEST {
            return Err(Errno::FBIG);
        }
        bytes.resize(length + AT_ONCE, 0);
        let read = sys::read(file, &mut bytes[length..])?;
        bytes.truncate(length + read);
        if read == 0 {
            return Ok(bytes);
        }
    }
}
