//! Claims what the argument `how` says, at the place that `at` says: a path and what is below it, of which `confirm` decides
//! (`confirm`); one of which a part is what it would be without the module (`negative`); a name with numbers behind it
//! (`numbers`); calls by their numbers (`calls`). `claiming.c` is the same in C.
#![no_std]

use core::ffi::{CStr, c_int, c_long};
use vload_module::linux::general::{__NR_openat, O_CREAT, S_IFDIR, S_IFREG};
use vload_module::service::{
    CLAIM_CONFIRM, CLAIM_EXACT, CLAIM_NEGATIVE, CLAIM_NUMBERS, Call, FILE_DIRECTORY, File, Listed,
    Next, Node, Opened, Service, Stat,
};
use vload_module::{Errno, Layer, Result};

const UNKNOWN: usize = 0x12345;
const NEGATIVE: usize = usize::MAX;

/// The files of a tree; the last name is the part that is not the module's.
const NAMES: [&[u8]; 3] = [b"one.v", b"two.v", b"real"];

fn how_is(layer: Layer<'_>, text: &[u8]) -> bool {
    layer.argument(c"how", &mut [0; 16]).is_some_and(|how| how == text)
}

/// The line that a file has: its name, or the number that its name has; none of the directory. A line fits in a word.
fn line(node: &Node<'_>) -> Result<Option<[u8; 8]>> {
    let path = node.path().ok_or(Errno::NOENT)?;
    let text = if how_is(node.layer(), b"numbers") {
        // Any below 100 is there.
        if path.len() < 3 { path } else { return Err(Errno::NOENT) }
    } else if let Some(name) = path.strip_prefix(b"/") {
        NAMES[..2].iter().find(|&&known| known == name).ok_or(Errno::NOENT)?
    } else {
        return Ok(None);
    };
    let mut line = [0; 8];
    line[..text.len()].copy_from_slice(text);
    line[text.len()] = b'\n';
    Ok(Some(line))
}

/// What is before the zeros.
fn length(line: &[u8; 8]) -> usize {
    line.iter().position(|&byte| byte == 0).unwrap_or(line.len())
}

/// A path with its zero.
fn text(room: &[u8]) -> Result<&CStr> {
    CStr::from_bytes_until_nul(room).map_err(|_| Errno::INVAL)
}

struct Claiming;

impl Service for Claiming {
    fn init(&self, layer: Layer<'_>) -> Result<()> {
        if how_is(layer, b"calls") {
            return Ok(());
        }
        let mut room = [0; 512];
        let own = layer.argument(c"at", &mut room[..500]).ok_or(Errno::NOENT)?.len();
        let flags = match (how_is(layer, b"confirm"), how_is(layer, b"numbers")) {
            (true, _) => CLAIM_CONFIRM,
            (_, true) => CLAIM_EXACT | CLAIM_NUMBERS,
            _ => 0,
        };
        layer.claim(text(&room)?, flags, 0)?;
        if how_is(layer, b"negative") {
            room[own..][..5].copy_from_slice(b"/real");
            layer.claim(text(&room)?, CLAIM_NEGATIVE, 0)?;
        }
        Ok(())
    }

    fn confirm(&self, node: &Node<'_>) -> Result<bool> {
        Ok(node.path().is_some_and(|path| path.ends_with(b".v")))
    }

    fn stat(&self, node: &Node<'_>) -> Result<Stat> {
        Ok(match line(node)? {
            None => Stat { inode: 4, mode: S_IFDIR | 0o755, links: 2, ..Stat::default() },
            Some(line) => {
                let size = length(&line) as u64;
                let inode = 1 + u64::from(line.starts_with(b"two"));
                Stat { inode, mode: S_IFREG | 0o444, links: 1, size, ..Stat::default() }
            }
        })
    }

    fn open(&self, node: &Node<'_>, flags: c_int, _mode: u32) -> Result<Opened> {
        match line(node) {
            Ok(Some(line)) => Ok(Opened::Virtual { private: u64::from_ne_bytes(line), is: 0 }),
            Ok(None) => Ok(Opened::Virtual { private: 0, is: FILE_DIRECTORY }),
            Err(_) if flags as u32 & O_CREAT != 0 => Err(Errno::ROFS),
            Err(error) => Err(error),
        }
    }

    fn read(&self, file: &File<'_>, to: &mut [u8], offset: i64) -> Result<usize> {
        let line = file.private().to_ne_bytes();
        let size = length(&line);
        let start = usize::try_from(offset).unwrap_or(size).min(size);
        let length = to.len().min(size - start);
        to[..length].copy_from_slice(&line[start..][..length]);
        Ok(length)
    }

    fn list(&self, _: &File<'_>, cookie: &mut u64, entry: &mut Listed<'_>) -> Result<bool> {
        let Some(name) = NAMES.get(*cookie as usize) else { return Ok(false) };
        *cookie += 1;
        entry.set(*cookie, if *cookie == 3 { 4 } else { 8 }, name)?;
        Ok(true)
    }

    /// The older of two layers answers, the newer one adds 1 to what it hears; what a claimed path is, is not its business.
    fn call(&self, layer: Layer<'_>, call: &mut Call, next: Next<'_>) -> c_long {
        let answers = call.number != __NR_openat as usize
            && layer.argument(c"answer", &mut [0; 16]).is_some();
        let below = if answers { -c_long::from(Errno::NOSYS.0) } else { next.call(call) };
        match call.number {
            UNKNOWN if below < 0 => 9_000_000,
            NEGATIVE if below < 0 => 9_009_999,
            UNKNOWN | NEGATIVE => below + 1,
            _ => below,
        }
    }
}

vload_module::service_module!(
    Claiming,
    Claiming,
    "claiming-rust",
    "claims of each kind",
    keys: "how,at,answer",
    numbers: [UNKNOWN, NEGATIVE, __NR_openat],
);
