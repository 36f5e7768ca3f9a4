//! `-m test-eio:call=NUMBER`: answers every call of that number with `EIO`. It is a fault put in on
//! purpose, for `vload bisect` to find.

use core::sync::atomic::Ordering;

use super::list::Layer;
use super::raw::Raw;
use super::spec::Spec;
use crate::abi::Entry;
use crate::digits::decimal;
use crate::sys::{self, Errno, Result};

/// The module.
pub static FAILING: Raw = Raw {
    name: "test-eio",
    description: "answers a call with EIO",
    keys: &[CALL],
    only_looks: false,
    attach,
    call: |call, next| {
        if call.entry == Entry::Native && call.number == next.own().word.load(Ordering::Relaxed) {
            return sys::raw(Err(Errno::IO));
        }
        next.call(call)
    },
    ..Raw::PLAIN
};

const CALL: &str = "call";

fn attach(layer: &Layer, spec: Spec<'_>) -> Result<()> {
    let number = spec.value(CALL.as_bytes()).ok_or(Errno::INVAL)?;
    layer.word.store(decimal(&number).ok_or(Errno::INVAL)?, Ordering::Relaxed);
    Ok(())
}
