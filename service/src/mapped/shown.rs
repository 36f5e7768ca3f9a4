//! What the kernel says is mapped (`/proc/self/maps`, proc_pid_maps(5)).

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vload_module::{Errno, Result};

use crate::descriptor::Temporary;
use crate::descriptor::temporary::Alone;
use crate::kernel;

/// A mapping.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Where it begins.
    pub start: usize,
    /// The address behind it.
    pub end: usize,
    /// `PROT_*`.
    pub protection: usize,
    /// Where in its file it begins.
    pub offset: u64,
    /// The device and the inode of that, as they are shown here: not on all file systems as `stat` has them.
    file: (u64, u64),
}

/// Bytes of a line before the name, at most.
const HEAD: usize = 96;

/// A line without the name.
fn parse(line: &[u8]) -> Option<Shown> {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let number =
        |text: &[u8], radix| u64::from_str_radix(core::str::from_utf8(text).ok()?, radix).ok();
    let pair = |text: &[u8], between: u8| {
        let at = text.iter().position(|&byte| byte == between)?;
        Some((number(&text[..at], 16)?, number(&text[at + 1..], 16)?))
    };
    let (start, end) = pair(words.next()?, b'-')?;
    let allowed = words.next()?;
    let bits = [(b'r', 1), (b'w', 2), (b'x', 4)];
    let protection = bits.iter().filter(|(letter, _)| allowed.contains(letter)).map(|(_, bit)| bit);
    let offset = number(words.next()?, 16)?;
    let (major, minor) = pair(words.next()?, b':')?;
    let inode = number(words.next()?, 10)?;
    Some(Shown {
        start: start as usize,
        end: end as usize,
        protection: protection.sum(),
        offset,
        file: (major << 32 | minor, inode),
    })
}

/// The session's file as it is shown, once a mapping of it was looked at.
static FILE: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// Whether it was.
static IS_KNOWN: AtomicBool = AtomicBool::new(false);

fn file() -> Option<(u64, u64)> {
    is_known().then(|| (FILE[0].load(Ordering::Relaxed), FILE[1].load(Ordering::Relaxed)))
}

/// Whether that was looked at.
pub fn is_known() -> bool {
    IS_KNOWN.load(Ordering::Acquire)
}

/// Learns what the session's file is shown as, of which there is a mapping at an address.
pub fn learn(address: usize) -> Result<()> {
    let mut found = Err(Errno::NODEV);
    let list = Temporary::make(open)?;
    each_in(list.fd(), |shown| {
        if shown.start <= address && address < shown.end {
            found = Ok(shown.file);
        }
    })?;
    let (device, inode) = found?;
    FILE[0].store(device, Ordering::Relaxed);
    FILE[1].store(inode, Ordering::Relaxed);
    IS_KNOWN.store(true, Ordering::Release);
    Ok(())
}

fn open() -> Result<i32> {
    kernel::open_to_read(c"/proc/self/maps")
}

/// The mappings of the session's file, vload's own among them, in the order of their addresses.
pub fn each(act: impl FnMut(&Shown)) -> Result<()> {
    let list = Temporary::make(open)?;
    of_session(list.fd(), act)
}

/// The same for who has the process alone.
pub fn each_alone(_: &Alone, act: impl FnMut(&Shown)) -> Result<()> {
    let list = open()?;
    let result = of_session(list, act);
    kernel::close(list);
    result
}

fn of_session(list: i32, mut act: impl FnMut(&Shown)) -> Result<()> {
    // Before any was looked at there is none; anonymous memory has zeros there.
    let Some(file) = file() else { return Ok(()) };
    each_in(list, |shown| {
        if shown.file == file {
            act(shown);
        }
    })
}

fn each_in(list: i32, act: impl FnMut(&Shown)) -> Result<()> {
    lines(|room| kernel::read(list, room), act)
}

fn lines(
    mut read: impl FnMut(&mut [u8]) -> Result<usize>,
    mut act: impl FnMut(&Shown),
) -> Result<()> {
    let (mut room, mut line, mut length) = ([0; 1024], [0; HEAD], 0);
    loop {
        let count = read(&mut room)?;
        if count == 0 {
            return Ok(());
        }
        for &byte in &room[..count] {
            if byte != b'\n' {
                if let Some(place) = line.get_mut(length) {
                    *place = byte;
                    length += 1;
                }
                continue;
            }
            act(&parse(&line[..length]).ok_or(Errno::IO)?);
            length = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length_are_read_in_any_pieces() {
        let long = "x".repeat(3000);
        let text = format!(
            "7f00-8f00 rw-s 08000000000 00:1a 77                         /memfd:{long} (deleted)\n\
             7fffffffe000-7ffffffff000 r-xp 00000000 fd:00 0 \n"
        );
        for step in [1, 7, 1024] {
            let (mut rest, mut found) = (text.as_bytes(), Vec::new());
            let read = |room: &mut [u8]| {
                let count = step.min(rest.len()).min(room.len());
                room[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                Ok(count)
            };
            lines(read, |shown| found.push(*shown)).unwrap();
            let first = Shown {
                start: 0x7f00,
                end: 0x8f00,
                protection: 3,
                offset: 0x80_0000_0000,
                file: (0x1a, 77),
            };
            assert_eq!(found[0], first);
            assert_eq!((found[1].protection, found[1].file), (5, (0xfd << 32, 0)));
            assert_eq!(found.len(), 2);
        }
    }
}
