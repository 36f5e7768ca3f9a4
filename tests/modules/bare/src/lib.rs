//! A file that is read and written, and nothing else: all that programs do with it besides is the framework's.
//! `bare.c` is the same in C.
#![no_std]

use core::ffi::CStr;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU8, AtomicU64};
use vload_module::linux::general::O_APPEND;
use vload_module::service::{CLAIM_EXACT, File, Service};
use vload_module::{Errno, Layer, Result};

const ROOM: usize = 4096;
/// The length, and the bytes.
const AREA: usize = 8 + ROOM;

/// In the session's memory: how much of it there is, and the bytes.
fn content(layer: Layer<'_>) -> Result<(&AtomicU64, &[AtomicU8])> {
    let bytes = layer.area::<[AtomicU8; AREA]>();
    layer.area().zip(bytes.map(|bytes| &bytes[8..])).ok_or(Errno::NOMEM)
}

struct Bare;

impl Service for Bare {
    fn init(&self, layer: Layer<'_>) -> Result<()> {
        let mut room = [0; 512];
        layer.argument(c"at", &mut room[..511]).ok_or(Errno::NOENT)?;
        let path = CStr::from_bytes_until_nul(&room).map_err(|_| Errno::INVAL)?;
        layer.claim(path, CLAIM_EXACT, 0).map(drop)
    }

    fn read(&self, file: &File<'_>, to: &mut [u8], offset: i64) -> Result<usize> {
        let (size, bytes) = content(file.layer())?;
        let _held = file.layer().lock(0)?;
        let bytes = &bytes[..size.load(Relaxed) as usize];
        let rest = bytes.get(usize::try_from(offset).unwrap_or(ROOM)..).unwrap_or(&[]);
        for (to, from) in to.iter_mut().zip(rest) {
            *to = from.load(Relaxed);
        }
        Ok(to.len().min(rest.len()))
    }

    fn write(&self, file: &File<'_>, from: &[u8], offset: i64) -> Result<usize> {
        let (size, bytes) = content(file.layer())?;
        let held = file.layer().lock(0)?;
        let appends = file.flags() as u32 & O_APPEND != 0;
        let offset = if appends { size.load(Relaxed) as i64 } else { offset };
        let start = usize::try_from(offset).unwrap_or(ROOM);
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty()).ok_or(Errno::NOSPC)?;
        for (to, &from) in rest.iter().zip(from) {
            to.store(from, Relaxed);
        }
        let length = from.len().min(rest.len());
        if (start + length) as u64 > size.load(Relaxed) {
            held.change(size, (start + length) as u64);
        }
        Ok(length)
    }
}

vload_module::service_module!(Bare, Bare, "bare-rust", "a file that is read and written", keys: "at", area: AREA);
