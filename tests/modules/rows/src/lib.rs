//! A directory of 500 files, whose names are made as they are asked for: nothing but an iterator, and what is known of a name.
//! `rows.c` is the same in C.
#![no_std]

use core::ffi::CStr;
use vload_module::linux::general::{S_IFDIR, S_IFREG};
use vload_module::service::{File, Listed, Node, Service, Stat};
use vload_module::{Errno, Layer, Result};

const ROWS: u64 = 500;

/// The name of a row.
fn name(row: u64) -> [u8; 7] {
    let digit = |of: u64| b'0' + (of % 10) as u8;
    [b'r', b'o', b'w', b'-', digit(row / 100), digit(row / 10), digit(row)]
}

struct Rows;

impl Service for Rows {
    fn init(&self, layer: Layer<'_>) -> Result<()> {
        let mut room = [0; 512];
        layer.argument(c"at", &mut room[..511]).ok_or(Errno::NOENT)?;
        let path = CStr::from_bytes_until_nul(&room).map_err(|_| Errno::INVAL)?;
        layer.claim(path, 0, 0).map(drop)
    }

    fn list(&self, _: &File<'_>, cookie: &mut u64, entry: &mut Listed<'_>) -> Result<bool> {
        if *cookie >= ROWS {
            return Ok(false);
        }
        entry.set(*cookie + 2, 8, &name(*cookie))?;
        *cookie += 1;
        Ok(true)
    }

    fn stat(&self, node: &Node<'_>) -> Result<Stat> {
        let path = node.path().ok_or(Errno::NOENT)?;
        let Some(asked) = path.strip_prefix(b"/") else {
            return Ok(Stat { inode: 1, mode: S_IFDIR | 0o755, links: 2, ..Stat::default() });
        };
        let row = (0..ROWS).find(|&row| name(row) == asked).ok_or(Errno::NOENT)?;
        Ok(Stat { inode: row + 2, mode: S_IFREG | 0o444, links: 1, ..Stat::default() })
    }
}

vload_module::service_module!(Rows, Rows, "rows-rust", "a directory that is listed", keys: "at");
