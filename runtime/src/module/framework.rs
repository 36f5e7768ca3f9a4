//! The framework that service modules rest on: an image like any other, whose exports they are linked to, and
//! which is asked about each call that no raw layer has answered.

use core::sync::atomic::{AtomicPtr, Ordering};

use super::place::Image;
use crate::arch;
use crate::layer::Call;
use crate::patch::elf::Elf;
use crate::patch::starts::symbols;

/// The framework's image in this process.
static FRAMEWORK: AtomicPtr<Image> = AtomicPtr::new(core::ptr::null_mut());

fn image() -> Option<&'static Image> {
    // SAFETY: null, or an image, which stays.
    unsafe { FRAMEWORK.load(Ordering::Acquire).as_ref() }
}

/// Where it is mapped.
pub fn start() -> usize {
    image().map_or(0, Image::start)
}

/// How far into it a symbol is that it exports.
pub fn export(name: &[u8]) -> Option<u64> {
    let elf = Elf::parse(image()?.bytes(), arch::patch::MACHINE)?;
    symbols::address(&elf, name)
}

/// Asks the framework; `None` where there is none.
pub fn call(_: &mut Call<'_>) -> Option<isize> {
    image()?;
    None
}
