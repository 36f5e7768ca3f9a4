//! The framework that service modules rest on: an image like any other, whose exports they are linked to, and
//! which is asked about each call that no raw layer has answered.

use core::ffi::{c_char, c_int, c_long, c_void};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use vload_module::abi::service::{FrameworkOperations, ServiceOperations};
use vload_module::abi::{self, Module};

use super::guard;
use super::place::{Image, handle, shown};
use crate::abi::Entry;
use crate::arch::Guarded;
use crate::layer::raw::Wants;
use crate::layer::{Call, Class, Layer, Next, layers, set_class};
use crate::sys::{self, Errno, Result};
use crate::thread::Block;

/// The framework's layer in this process.
static FRAMEWORK: AtomicPtr<Layer> = AtomicPtr::new(core::ptr::null_mut());
/// Whether the process holds what the framework wants calls for (`vload_hold`).
static HOLDS: AtomicBool = AtomicBool::new(false);

fn layer() -> Option<&'static Layer> {
    // SAFETY: null, or a layer of the list, which stays in its place: the framework is never removed.
    unsafe { FRAMEWORK.load(Ordering::Acquire).as_ref() }
}

fn image() -> Option<&'static Image> {
    layer()?.raw().image
}

/// What it does, and its layer.
fn operations() -> Option<(&'static FrameworkOperations, &'static Layer)> {
    let layer = layer()?;
    let operations = layer.raw().image?.module.operations.cast::<FrameworkOperations>();
    // SAFETY: `place::describe` has found it in the image, and nobody changes it.
    Some((unsafe { &*operations }, layer))
}

/// The layer is the framework's, and attached.
pub fn begin(layer: &'static Layer) {
    FRAMEWORK.store(core::ptr::from_ref(layer).cast_mut(), Ordering::Release);
}

/// Where it is mapped.
pub fn start() -> usize {
    image().map_or(0, Image::start)
}

/// What tells it from others; `None` where this process has none.
pub fn key() -> Option<u64> {
    image().map(|image| image.key)
}

/// The calls that it wants where there is any service layer.
pub fn numbers() -> &'static [usize] {
    operations().map_or(&[], |(operations, _)| list(operations.numbers, operations.count))
}

fn list(first: *const usize, count: usize) -> &'static [usize] {
    // SAFETY: the framework's own list, which is part of its image.
    unsafe { core::slice::from_raw_parts(first, count) }
}

/// `vload_hold`: whether the process wants what the framework wants besides.
pub fn hold(on: bool) {
    HOLDS.store(on, Ordering::Relaxed);
    set_class(Class::Virtual, on);
}

/// Runs code of the framework's. What it asks of the system goes to no layer.
fn run(
    layer: &'static Layer,
    within: Option<(&mut Call<'_>, Next)>,
    function: Guarded,
    argument: *mut c_void,
) -> isize {
    // SAFETY: what it does in its functions is its author's promise.
    unsafe { guard::run(Block::own(), layer, 0, within, function, argument) }
}

/// Asks it about a call; `None` where it is not there, or does not want such calls. Services that have claimed the number
/// are asked if they are older than `below`.
pub fn call(call: &mut Call<'_>, below: u64) -> Option<isize> {
    struct Asked(&'static FrameworkOperations, *mut abi::Layer, abi::Call, u64, u64);
    unsafe extern "C" fn ask(asked: *mut c_void) -> c_long {
        // SAFETY: `call` passes it.
        let asked = unsafe { &mut *asked.cast::<Asked>() };
        // SAFETY: the framework's own function, with its layer and a call.
        unsafe { (asked.0.call)(asked.1, &raw mut asked.2, asked.3, asked.4) }
    }
    let (operations, layer) = operations()?;
    let is_wanted = list(operations.numbers, operations.count).contains(&call.number)
        || (HOLDS.load(Ordering::Relaxed)
            && list(operations.held, operations.held_count).contains(&call.number))
        || layers().any(|layer| {
            layer.raw().is_service && layer.raw().wants.has(Entry::Native, call.number)
        });
    if call.entry != Entry::Native || !is_wanted {
        return None;
    }
    let passed = abi::Call::new(shown(call.number), call.args, abi::NATIVE);
    let below = below.min(call.asker);
    let mut asked = Asked(operations, handle(layer), passed, call.limit, below);
    Some(run(layer, Some((call, Next::system(layer))), ask, (&raw mut asked).cast()))
}

/// What is asked of it about a service layer.
#[derive(Clone, Copy)]
enum About {
    Add,
    Remove,
    Forget,
    Users,
    Claims(u32),
    Forked,
}

struct Asked<'a> {
    about: About,
    operations: &'static FrameworkOperations,
    framework: *mut abi::Layer,
    service: Option<(&'static Layer, *const ServiceOperations)>,
    identity: u32,
    room: &'a mut [u8],
}

unsafe extern "C" fn ask(asked: *mut c_void) -> c_long {
    // SAFETY: `about` passes it.
    let asked = unsafe { &mut *asked.cast::<Asked<'_>>() };
    let (framework, identity) = (asked.framework, asked.identity);
    let (to, room) = (asked.room.as_mut_ptr().cast::<c_char>(), asked.room.len());
    // SAFETY: the framework's own functions, with its layer and what they take.
    let result: c_int = unsafe {
        match (asked.about, asked.service) {
            (About::Add, Some((layer, operations))) => {
                (asked.operations.add)(framework, handle(layer), operations, identity)
            }
            (About::Remove, _) => (asked.operations.remove)(framework, identity),
            (About::Forget, _) => {
                (asked.operations.forget)(framework, identity);
                0
            }
            (About::Forked, _) => {
                (asked.operations.forked)(framework, identity as c_int);
                0
            }
            (About::Users, _) => (asked.operations.users)(framework, identity),
            (About::Claims(index), _) => {
                return (asked.operations.claims)(framework, identity, index, to, room);
            }
            (About::Add, None) => 0,
        }
    };
    c_long::from(result)
}

fn about(
    about: About,
    service: Option<(&'static Layer, *const ServiceOperations)>,
    epoch: u64,
    room: &mut [u8],
) -> Result<usize> {
    let (operations, framework) = operations().ok_or(Errno::NOENT)?;
    let mut asked = Asked {
        about,
        operations,
        framework: handle(framework),
        service,
        identity: epoch as u32,
        room,
    };
    sys::check(run(framework, None, ask, (&raw mut asked).cast()))
}

/// A service layer is about to be effective in this process.
pub fn add(layer: &'static Layer, module: &'static Module) -> Result<()> {
    let operations = module.operations.cast();
    about(About::Add, Some((layer, operations)), layer.epoch(), &mut []).map(drop)
}

/// A service layer is to be removed from the session.
pub fn remove(epoch: u64) -> Result<()> {
    about(About::Remove, None, epoch, &mut []).map(drop)
}

/// A service layer is no longer effective in this process.
pub fn forget(epoch: u64) {
    // Without the framework there was none.
    let _ = about(About::Forget, None, epoch, &mut []);
}

/// The process has just been forked. `copied` says of which table of descriptors it has a copy, if not that itself.
pub fn forked(copied: Option<u32>) {
    // Where there is no framework nothing has been copied.
    let _ = about(About::Forked, None, copied.map_or(0, |table| u64::from(table) + 1), &mut []);
}

/// What uses a service layer.
pub fn users(epoch: u64) -> u32 {
    about(About::Users, None, epoch, &mut []).map_or(0, |users| users as u32)
}

/// How many claims a service layer has: of places, and of calls by their numbers.
pub fn claims(epoch: u64) -> u32 {
    let mut room = [0; 256];
    let places = (0..).find(|&index| about(About::Claims(index), None, epoch, &mut room).is_err());
    let layer = layers().find(|layer| layer.epoch() == epoch);
    let calls = match layer.map(|layer| layer.raw().wants) {
        Some(Wants::Numbers(all)) => all.len() - numbers().len(),
        _ => 0,
    };
    places.unwrap_or(0) + calls as u32
}

/// What the layers of a service module want that has claimed calls by their numbers.
pub fn wants(own: &[usize]) -> Wants {
    match own {
        [] => Wants::Numbers(numbers()),
        // As the image that they are of, it stays for as long as the process lives.
        own => Wants::Numbers([numbers(), own].concat().leak()),
    }
}
