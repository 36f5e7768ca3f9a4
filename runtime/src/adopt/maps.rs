//! `/proc/self/maps`: what is mapped executable from a file.

use alloc::vec::Vec;

use crate::sys::{self, Errno, Result};
use linux_raw_sys::general::{O_CLOEXEC, O_RDONLY, PROT_EXEC, PROT_READ, PROT_WRITE};

/// An executable mapping.
pub struct Text {
    /// First address.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// `PROT_*`.
    pub prot: u32,
    /// Offset in the file.
    pub offset: u64,
    /// Device, `major << 32 | minor`, as [`sys::Stat`] has it.
    pub dev: u64,
    /// Inode number; 0 when it is no file's.
    pub ino: u64,
    /// As `/proc` shows it: the file's path, or a name in brackets.
    pub path: Vec<u8>,
}

/// The executable mappings of this process.
pub fn read() -> Result<Vec<Text>> {
    let file = sys::openat(sys::CWD, c"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0)?;
    let bytes = read_all(file);
    sys::close(file);
    let bytes = bytes?;
    Ok(bytes.split(|&byte| byte == b'\n').filter_map(text).collect())
}

fn read_all(file: i32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match sys::pread(file, &mut piece, bytes.len() as u64) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// `start-end perms offset major:minor inode path` (proc_pid_maps(5)); `None` for what cannot be
/// executed.
fn text(line: &[u8]) -> Option<Text> {
    let mut fields = line.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
    let mut range = fields.next()?.split(|&byte| byte == b'-');
    let (start, end) = (hexadecimal(range.next()?)?, hexadecimal(range.next()?)?);
    let permissions = fields.next()?;
    if permissions.get(2) != Some(&b'x') {
        return None;
    }
    let right = |at: usize, prot| if permissions.get(at) == Some(&b'-') { 0 } else { prot };
    let offset = hexadecimal(fields.next()?)?;
    let mut device = fields.next()?.split(|&byte| byte == b':');
    let (major, minor) = (hexadecimal(device.next()?)?, hexadecimal(device.next()?)?);
    let ino = core::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let path = line.iter().position(|&byte| matches!(byte, b'/' | b'[')).map_or(0, |at| at);
    Some(Text {
        start: start as usize,
        end: end as usize,
        prot: right(0, PROT_READ) | right(1, PROT_WRITE) | PROT_EXEC,
        offset,
        dev: major << 32 | minor,
        ino,
        path: if path == 0 { Vec::new() } else { line[path..].to_vec() },
    })
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = b"7f5a6d200000-7f5a6d365000 r-xp 00026000 fd:01 262156                     /usr/lib/a b.so";
        let text = text(line).expect("executable");
        assert_eq!((text.start, text.end), (0x7f5a_6d20_0000, 0x7f5a_6d36_5000));
        assert_eq!((text.prot, text.offset), (PROT_READ | PROT_EXEC, 0x26000));
        assert_eq!((text.dev, text.ino), (0xfd << 32 | 1, 262_156));
        assert_eq!(text.path, b"/usr/lib/a b.so");
    }

    #[test]
    fn what_is_not_executable_is_left_out() {
        assert!(text(b"00400000-00401000 rw-p 00000000 00:00 0").is_none());
        assert!(text(b"").is_none());
        let vdso = text(b"7ffd1c5f6000-7ffd1c5f8000 r-xp 00000000 00:00 0          [vdso]");
        assert_eq!(vdso.expect("executable").path, b"[vdso]");
    }
}
