//! What was made of a file becomes a layer of the session.

use core::ptr::NonNull;

use alloc::vec::Vec;
use vload_module::abi;

use super::framework;
use super::prepared::Prepared;
use crate::layer::raw::Wants;
use crate::layer::{modules, refresh};
use crate::session::{self, LayerId, NewLayer, Stored};
use crate::signal;
use crate::sys::{Errno, Result};
use crate::thread::Block;

/// Makes a layer of what was made of a file, above all others in this process's view. `arguments` are as behind the colon of `-m`.
///
/// [`Errno::NOEXEC`]: it was not made for this vload, or is broken. [`Errno::NOPKG`]: it rests on a framework that the
/// session has not.
pub fn load(bytes: &[u8], arguments: &[u8], block: Option<NonNull<Block>>) -> Result<LayerId> {
    let prepared = Prepared::of(bytes).ok_or(Errno::NOEXEC)?;
    let kind = prepared.kind as u32;
    let service = kind == abi::SERVICE;
    if (service || prepared.framework != 0) && framework::key() != Some(prepared.framework) {
        return Err(Errno::NOPKG);
    }
    // SAFETY: it is whole.
    let numbers = unsafe { prepared.numbers() };
    let mut numbers: Option<Vec<usize>> =
        numbers.map(|numbers| numbers.iter().map(|&number| number as usize).collect());
    if let Some(numbers) = numbers.as_mut().filter(|_| service) {
        numbers.extend_from_slice(framework::numbers());
    }
    let new = NewLayer {
        name: text(&prepared.name),
        description: text(&prepared.description),
        kind,
        flags: prepared.flags | prepared.vectors << 32,
        image: store(bytes, prepared)?,
        arguments,
        area: prepared.area,
        wants: numbers.as_deref(),
    };
    // Before the session's lock is held: it may change which calls this process wants.
    signal::open_faults(Block::own());
    refresh::insert(&new, block)
}

/// The same of a module that is part of vload; `text` is as `-m` takes it.
///
/// [`Errno::INVAL`]: there is no such module, or it takes no such arguments.
pub fn load_built_in(text: &[u8], block: Option<NonNull<Block>>) -> Result<LayerId> {
    let (raw, spec) = modules::find(text).map_err(|_| Errno::INVAL)?;
    let new = NewLayer {
        name: raw.name.as_bytes(),
        description: raw.description.as_bytes(),
        kind: refresh::BUILT_IN,
        flags: 0,
        image: Stored { offset: 0, length: 0 },
        arguments: spec.text(),
        area: raw.area as u64,
        wants: match raw.wants {
            Wants::Every => None,
            Wants::Numbers(numbers) => Some(numbers),
        },
    };
    refresh::insert(&new, block)
}

/// What is before the zeros.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Puts it into the session's memory, if the same is not there already.
fn store(bytes: &[u8], prepared: &Prepared) -> Result<Stored> {
    let tag = u64::from_le_bytes(*b"module\0\0");
    let key = [tag, prepared.key, bytes.len() as u64, 0, 0, 0];
    match session::find(&key) {
        Some(stored) if session::bytes(stored).is_ok_and(|same| same == bytes) => Ok(stored),
        _ => session::put_known(&key, bytes, 0),
    }
}
