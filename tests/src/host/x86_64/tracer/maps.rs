//! `/proc/PID/maps`.

use super::Pid;
use std::fs;
use std::io;
use std::ops::Range;

/// One line of it (proc_pid_maps(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its addresses.
    pub range: Range<u64>,
    /// It can be executed.
    pub executable: bool,
    /// It can be written.
    pub writable: bool,
    /// The offset of its first byte in the file.
    pub offset: u64,
    /// The file's device, as the line has it: major and minor.
    pub device: (u32, u32),
    /// The file's inode; 0 without one.
    pub inode: u64,
    /// The file's path or the mapping's name, or nothing.
    pub name: String,
}

/// The mappings of a process, by address.
pub fn read(pid: Pid) -> io::Result<Vec<Mapping>> {
    let text = fs::read(format!("/proc/{pid}/maps"))?;
    let lines = String::from_utf8_lossy(&text);
    lines.lines().map(|line| parse(line).ok_or_else(|| bad(line))).collect()
}

fn bad(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a mapping: {line:?}"))
}

fn parse(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?.as_bytes();
    let offset = fields.next()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let inode = fields.next()?;
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some(Mapping {
        range: hexadecimal(start)?..hexadecimal(end)?,
        executable: rights.get(2) == Some(&b'x'),
        writable: rights.get(1) == Some(&b'w'),
        offset: hexadecimal(offset)?,
        device: (number(major)?, number(minor)?),
        inode: inode.parse().ok()?,
        name: fields.next().unwrap_or_default().trim_start().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_a_line() {
        let file = "7f0c2a400000-7f0c2a428000 r-xp 00026000 08:1a 1234                       /a b";
        let file = parse(file).expect("a line of proc_pid_maps(5)");
        assert_eq!(file.range, 0x7f0c_2a40_0000..0x7f0c_2a42_8000);
        assert!(file.executable && !file.writable);
        assert_eq!((file.offset, file.device, file.inode), (0x26000, (8, 0x1a), 1234));
        assert_eq!(file.name, "/a b");
        let page =
            "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]";
        assert_eq!(parse(page).map(|page| page.name).as_deref(), Some("[vsyscall]"));
        let none = parse("7ffff7fc1000-7ffff7fc2000 rw-p 00000000 00:00 0 ").expect("no name");
        assert!(none.writable && none.name.is_empty());
        assert_eq!(parse("7ffff7fc1000 rw-p"), None);
    }
}
