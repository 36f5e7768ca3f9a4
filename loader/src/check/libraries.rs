//! Where a dynamic linker looks for a library (ld.so(8)): what the files say, `LD_LIBRARY_PATH`,
//! `/etc/ld.so.cache`, the default folders.

use core::ffi::CStr;

use alloc::ffi::CString;
use alloc::vec::Vec;
use runtime::patch::Linkage;
use runtime::sys;

use super::file::Opened;
use crate::vectors::Vectors;
use linux_raw_sys::general::{O_CLOEXEC, O_RDONLY};

/// What a file says of its libraries.
pub struct Wanted {
    /// Their names.
    pub names: Vec<Vec<u8>>,
    rpath: Option<Vec<u8>>,
    runpath: Option<Vec<u8>>,
}

impl Wanted {
    /// Copies what the file says.
    pub fn of(linkage: &Linkage<'_>) -> Self {
        Self {
            names: linkage.needed.iter().map(|&name| name.into()).collect(),
            rpath: linkage.rpath.map(Into::into),
            runpath: linkage.runpath.map(Into::into),
        }
    }
}

/// The folders that do not depend on the file.
pub struct Folders {
    variable: Option<&'static [u8]>,
    cache: Vec<u8>,
}

/// The folders that are searched last, whoever built the linker.
const DEFAULT: &[u8] = b"/lib64:/usr/lib64:/lib:/usr/lib:/usr/local/lib";

impl Folders {
    /// Reads the environment and the cache.
    pub fn of(vectors: &Vectors) -> Self {
        Self {
            variable: vectors.env(b"LD_LIBRARY_PATH").filter(|value| !value.is_empty()),
            cache: read(c"/etc/ld.so.cache").unwrap_or_default(),
        }
    }

    /// The file that `name` means to `loaders`: the file that needs it and those that led to that one,
    /// nearest first.
    pub fn find(&self, name: &[u8], loaders: &[(&CStr, &Wanted)]) -> Option<CString> {
        if name.contains(&b'/') {
            return accept(name.into());
        }
        let (origin, wanted) = loaders.first()?;
        if wanted.runpath.is_none() {
            // DT_RPATH counts for the libraries of libraries too.
            for (origin, wanted) in loaders {
                if let Some(path) = wanted.rpath.as_ref().filter(|_| wanted.runpath.is_none())
                    && let Some(found) = search(path, b":", name, origin)
                {
                    return Some(found);
                }
            }
        }
        let from = |path: Option<&[u8]>, separators: &[u8]| {
            path.and_then(|path| search(path, separators, name, origin))
        };
        from(self.variable, b":;")
            .or_else(|| from(wanted.runpath.as_deref(), b":"))
            .or_else(|| self.cached(name))
            .or_else(|| from(Some(DEFAULT), b":"))
    }

    /// What the cache of ldconfig(8) says (glibc, sysdeps/generic/dl-cache.h): a header of 48 bytes,
    /// entries of 24 with the offsets of name and path.
    fn cached(&self, name: &[u8]) -> Option<CString> {
        const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
        let bytes = &self.cache[..];
        // An old cache has the new one behind it (`CACHEMAGIC`), 8-byte aligned.
        let start = bytes.windows(MAGIC.len()).step_by(4).position(|part| part == MAGIC)? * 4;
        let new = bytes.get(start..)?;
        let field = |at: usize| Some(u32::from_ne_bytes(*new.get(at..)?.first_chunk()?) as usize);
        let string = |at: usize| {
            let rest = new.get(at..)?;
            Some(&rest[..rest.iter().position(|&byte| byte == 0)?])
        };
        (0..field(20)?).find_map(|index| {
            let entry = index.checked_mul(24)?.checked_add(48)?;
            // An entry for processors with more instructions (`hwcap`) is for those that have them.
            let plain = field(entry + 16) == Some(0) && field(entry + 20) == Some(0);
            let named = string(field(entry.checked_add(4)?)?) == Some(name);
            (plain && named).then(|| accept(string(field(entry + 8)?)?.into()))?
        })
    }
}

/// Looks for `name` in the folders of a list.
fn search(list: &[u8], separators: &[u8], name: &[u8], file: &CStr) -> Option<CString> {
    list.split(|byte| separators.contains(byte)).find_map(|folder| {
        // An empty part is the working directory.
        let folder = if folder.is_empty() { b"." } else { folder };
        accept([&expand(folder, file.to_bytes()), &b"/"[..], name].concat())
    })
}

/// `$ORIGIN` is the folder of the file that says so.
fn expand(folder: &[u8], file: &[u8]) -> Vec<u8> {
    let origin = match file.iter().rposition(|&byte| byte == b'/') {
        Some(0) => b"/",
        Some(slash) => &file[..slash],
        None => b".",
    };
    for word in [&b"$ORIGIN"[..], b"${ORIGIN}"] {
        if let Some(at) = folder.windows(word.len()).position(|part| part == word) {
            return [&folder[..at], origin, &folder[at + word.len()..]].concat();
        }
    }
    folder.into()
}

/// The path, if a library for this process is there.
fn accept(path: Vec<u8>) -> Option<CString> {
    let path = CString::new(path).ok()?;
    Opened::open(&path).is_ok_and(|file| file.is_library()).then_some(path)
}

fn read(path: &CStr) -> Option<Vec<u8>> {
    /// A cache is smaller than this by far.
    const MOST: u64 = 16 << 20;
    let fd = sys::openat(sys::CWD, path, O_RDONLY | O_CLOEXEC, 0).ok()?;
    let size = sys::fstat(fd).ok().map_or(0, |stat| stat.size.min(MOST));
    let mut bytes = alloc::vec![0; size as usize];
    let length = runtime::image::Source::read_at(&runtime::image::Fd(fd), 0, &mut bytes);
    sys::close(fd);
    bytes.truncate(length.ok()?);
    Some(bytes)
}
