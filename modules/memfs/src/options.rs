//! What a tree is mounted with: `size=16m,mode=1777,uid=0,gid=0,nr_inodes=100`, as a tmpfs takes it.

use crate::fs::{Caller, Options};
use vload_module::{Errno, Result};

const BLOCK: u64 = 4096;

impl Options {
    /// A tree that everybody may use, as large as there is room.
    pub fn new(caller: &Caller) -> Self {
        Self {
            mode: 0o1777,
            uid: caller.uid,
            gid: caller.gid,
            blocks: 0,
            inodes: 0,
            is_read_only: false,
        }
    }

    /// Takes options with commas between them.
    pub fn parse(mut self, text: &[u8]) -> Result<Self> {
        for option in text.split(|&byte| byte == b',').filter(|option| !option.is_empty()) {
            let mut halves = option.splitn(2, |&byte| byte == b'=');
            let key = halves.next().unwrap_or_default();
            self.set(key, halves.next().ok_or(Errno::INVAL)?)?;
        }
        Ok(self)
    }

    /// Takes one option.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let plain = |base| number(value, base);
        let small = |base| plain(base).and_then(|value| value.try_into().map_err(|_| Errno::INVAL));
        match key {
            b"size" => self.blocks = amount(value)?.div_ceil(BLOCK),
            b"nr_blocks" => self.blocks = amount(value)?,
            b"nr_inodes" => self.inodes = amount(value)?,
            b"mode" => self.mode = small(8)?,
            b"uid" => self.uid = small(10)?,
            b"gid" => self.gid = small(10)?,
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }
}

fn number(text: &[u8], base: u32) -> Result<u64> {
    let text = core::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
    u64::from_str_radix(text, base).map_err(|_| Errno::INVAL)
}

/// A number with `k`, `m` or `g` behind it.
fn amount(text: &[u8]) -> Result<u64> {
    let (digits, shift) = match text.split_last() {
        Some((b'k' | b'K', digits)) => (digits, 10),
        Some((b'm' | b'M', digits)) => (digits, 20),
        Some((b'g' | b'G', digits)) => (digits, 30),
        _ => (text, 0),
    };
    number(digits, 10)?.checked_mul(1 << shift).ok_or(Errno::INVAL)
}
