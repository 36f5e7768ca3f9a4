//! An image in a process: mapped from the session's memory and relocated.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use alloc::boxed::Box;
use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE,
};
use vload_module::abi::service::ServiceOperations;
use vload_module::abi::{self, Module, RawOperations};

use super::offered;
use super::prepared::{Base, Prepared};
use super::{framework, guard};
use crate::abi::Entry;
use crate::layer::raw::{Event, Raw, Report, Wants};
use crate::layer::spec::Spec;
use crate::layer::{Call, Layer, Next};
use crate::memory::guard as own;
use crate::patch::raw::program_header::{PF_R, PF_W, PF_X};
use crate::session::Stored;
use crate::sys::{self, Errno, Result};
use crate::thread::Block;
use crate::view::OWN;

/// An image in this process.
pub struct Image {
    /// What tells it from others.
    pub key: u64,
    /// Where in the session's file it is stored.
    offset: u64,
    /// Where it is mapped, and how long it is.
    start: usize,
    length: usize,
    /// The array of its constructors.
    constructors: &'static [extern "C" fn()],
    constructed: AtomicBool,
    /// The vector state that its code touches, as bits of [`arch::KEPT`](crate::arch::KEPT).
    pub vectors: u64,
    /// What it says of itself.
    pub module: &'static Module,
    /// What it is to the list of layers.
    raw: Raw,
    /// The one that was mapped before it.
    before: Option<&'static Image>,
}

/// The image that was mapped last.
static IMAGES: AtomicPtr<Image> = AtomicPtr::new(core::ptr::null_mut());

/// The image that is stored there, as a module of this process: mapped when it is asked for first. One
/// thread at a time asks.
pub fn raw_of(stored: Stored) -> Result<&'static Raw> {
    // SAFETY: null, or an image that was put there below and stays.
    let last = unsafe { IMAGES.load(Ordering::Acquire).as_ref() };
    let mut images = core::iter::successors(last, |image| image.before);
    if let Some(image) = images.find(|image| image.offset == stored.offset) {
        return Ok(&image.raw);
    }
    let image = Box::leak(Box::new(map(stored, last)?));
    // Only now does it have the address that it is known by.
    let at = core::ptr::from_mut(image);
    // SAFETY: it was leaked, and nothing of it but `raw` is changed any more.
    image.raw.image = Some(unsafe { &*at });
    IMAGES.store(at, Ordering::Release);
    Ok(&image.raw)
}

fn map(stored: Stored, before: Option<&'static Image>) -> Result<Image> {
    let file = OWN.session.get();
    let table = sys::map_private(file, stored.offset, stored.length)?;
    // SAFETY: mapped just now; `put` has written a plan there.
    let prepared = unsafe { Prepared::at(table) };
    let mapped = place(file, stored.offset + prepared.start, prepared, table);
    let (offset, module, constructors) = (stored.offset, prepared.module, prepared.constructors);
    let (key, length, vectors) = (prepared.key, prepared.span as usize, prepared.vectors);
    // SAFETY: what follows does not look at it.
    unsafe { sys::munmap(table, stored.length) };
    let start = mapped?;
    own::own(start, length);
    let at = |address: u64| start + address as usize;
    let count = (constructors[1] - constructors[0]) as usize / size_of::<usize>();
    // SAFETY: the image was judged: there is a `Module`, aligned and whole, and an array of as many words;
    // both are relocated, and nobody changes them.
    let (module, constructors) = unsafe {
        (
            &*(at(module) as *const Module),
            core::slice::from_raw_parts(at(constructors[0]) as *const extern "C" fn(), count),
        )
    };
    let raw = describe(module);
    let constructed = AtomicBool::new(false);
    Ok(Image {
        key,
        offset,
        start,
        length,
        constructors,
        constructed,
        vectors,
        module,
        raw,
        before,
    })
}

/// Maps the pieces and relocates them.
fn place(file: i32, offset: u64, prepared: &Prepared, table: usize) -> Result<usize> {
    let length = prepared.span as usize;
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    let start = unsafe { sys::mmap(0, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) }?;
    let filled = fill(file, offset, prepared, table, start);
    if filled.is_err() {
        // SAFETY: mapped just now, and not used.
        unsafe { sys::munmap(start, length) };
    }
    filled.map(|()| start)
}

fn fill(file: i32, offset: u64, prepared: &Prepared, table: usize, start: usize) -> Result<()> {
    for piece in prepared.pieces.iter().filter(|piece| piece.start < piece.end) {
        let flag = |flag: u32, prot| if piece.flags & u64::from(flag) != 0 { prot } else { 0 };
        let prot = flag(PF_R, PROT_READ) | flag(PF_W, PROT_WRITE) | flag(PF_X, PROT_EXEC);
        let (at, length) = (start + piece.start as usize, (piece.end - piece.start) as usize);
        let flags = MAP_PRIVATE | MAP_FIXED;
        // SAFETY: inside the range that was reserved for this.
        let mapped = unsafe { sys::mmap(at, length, prot, flags, file, offset + piece.start) };
        if mapped.is_err() && prot & PROT_EXEC != 0 {
            // No file can be mapped executable here: its bytes are copied.
            let from = table + (prepared.start + piece.start) as usize;
            let (flags, copied) = (flags | MAP_ANONYMOUS, PROT_READ | PROT_WRITE);
            // SAFETY: inside the same range; the table has the piece's bytes, and is not executed from while it is
            // written to.
            unsafe {
                sys::mmap(at, length, copied, flags, -1, 0)?;
                core::ptr::copy_nonoverlapping(from as *const u8, at as *mut u8, length);
                sys::mprotect(at, length, prot)?;
            }
        } else {
            mapped?;
        }
    }
    // SAFETY: the table is what a plan has written.
    for relocation in unsafe { prepared.relocations() } {
        let (at, value) = relocation.value(|base| match base {
            Base::Nothing => 0,
            Base::Own => start,
            Base::Framework => framework::start(),
            Base::Offered(index) => offered::address(index),
        });
        // SAFETY: the image was judged: the word is aligned, and in a writable piece.
        unsafe { ((start + at) as *mut usize).write(value) };
    }
    let [from, to] = prepared.relro.map(|address| start + address as usize);
    if from < to {
        // SAFETY: in a piece of the image, of which nobody writes to this part.
        unsafe { sys::mprotect(from, to - from, PROT_READ) }?;
    }
    Ok(())
}

/// What the list of layers needs to know of a module.
fn describe(module: &'static Module) -> Raw {
    // SAFETY: judged: null, or a string of the image's.
    let text = |at: *const c_char| unsafe { (!at.is_null()).then(|| CStr::from_ptr(at)) };
    let text = |at| text(at).and_then(|text| text.to_str().ok()).unwrap_or("");
    let wants = match module.kind {
        abi::SERVICE => {
            // SAFETY: judged: they are in the image, as are the numbers.
            framework::wants(unsafe {
                let operations = &*module.operations.cast::<ServiceOperations>();
                match operations.count {
                    0 => &[],
                    count => core::slice::from_raw_parts(operations.numbers, count),
                }
            })
        }
        abi::RAW => {
            // SAFETY: judged: they are in the image, as are the numbers.
            unsafe {
                let operations = &*module.operations.cast::<RawOperations>();
                match operations.count {
                    usize::MAX => Wants::Every,
                    0 => Wants::Numbers(&[]),
                    count => Wants::Numbers(core::slice::from_raw_parts(operations.numbers, count)),
                }
            }
        }
        _ => Wants::Numbers(&[]),
    };
    Raw {
        name: text(module.name),
        description: text(module.description),
        keys: &[],
        wants,
        only_looks: module.flags & abi::LOOKS_ONLY != 0,
        init,
        attach,
        area: 0,
        call,
        event,
        fini,
        is_service: module.kind == abi::SERVICE,
        image: None,
    }
}

impl Image {
    /// Where it is mapped.
    pub fn start(&self) -> usize {
        self.start
    }
}

/// How far into a layer's image an address is.
pub fn offset(layer: &Layer, address: usize) -> Option<usize> {
    let image = layer.raw().image?;
    address.checked_sub(image.start).filter(|&offset| offset < image.length)
}

/// The image of a layer that has one.
fn image(layer: &Layer) -> Result<&'static Image> {
    layer.raw().image.ok_or(Errno::INVAL)
}

/// A layer as a module has it.
pub fn handle(layer: &'static Layer) -> *mut abi::Layer {
    core::ptr::from_ref(layer).cast_mut().cast()
}

type Function = unsafe extern "C" fn(*mut abi::Layer) -> c_int;

/// Calls one of a module's functions that take its layer alone, if it has it.
fn hook(layer: &'static Layer, function: Option<Function>) -> Result<()> {
    struct Asked(Function, *mut abi::Layer);
    unsafe extern "C" fn ask(asked: *mut c_void) -> c_long {
        // SAFETY: `hook` passes it.
        let asked = unsafe { &*asked.cast::<Asked>() };
        // SAFETY: the module's own function, with its layer.
        c_long::from(unsafe { (asked.0)(asked.1) })
    }
    let Some(function) = function else { return Ok(()) };
    let mut asked = Asked(function, handle(layer));
    let asked = (&raw mut asked).cast();
    // SAFETY: what a module does in its functions is its author's promise.
    sys::check(unsafe { guard::run(Block::own(), layer, layer.epoch(), None, ask, asked) })
        .map(drop)
}

fn init(layer: &'static Layer, _: Spec<'_>) -> Result<()> {
    let module = construct(layer)?.module;
    if module.kind == abi::SERVICE {
        framework::add(layer, module)?;
    }
    hook(layer, module.init)
}

fn attach(layer: &'static Layer, _: Spec<'_>) -> Result<()> {
    let module = construct(layer)?.module;
    if module.kind == abi::SERVICE {
        framework::add(layer, module)?;
    }
    hook(layer, module.attach)?;
    if module.kind == abi::FRAMEWORK {
        framework::begin(layer);
    }
    if EXECUTED.load(Ordering::Relaxed) {
        tell(layer, abi::EXEC, Block::own());
    }
    Ok(())
}

/// The program was begun by an exec of the program before: what is attached hears so.
pub fn executed() {
    EXECUTED.store(true, Ordering::Relaxed);
}

static EXECUTED: AtomicBool = AtomicBool::new(false);

/// What is done before the layer is removed from the session.
fn fini(layer: &'static Layer, _: &mut Report) -> Result<()> {
    let module = image(layer)?.module;
    match module.kind {
        // Others rest on it.
        abi::FRAMEWORK => return Err(Errno::BUSY),
        abi::SERVICE => framework::remove(layer.epoch())?,
        _ => {}
    }
    hook(layer, module.fini)
}

/// Calls the constructors, before anything else of an image is called in this program.
fn construct(layer: &'static Layer) -> Result<&'static Image> {
    unsafe extern "C" fn all(image: *mut c_void) -> c_long {
        // SAFETY: `construct` passes it.
        let image = unsafe { &*image.cast::<Image>() };
        for constructor in image.constructors {
            constructor();
        }
        0
    }
    let image = image(layer)?;
    if !image.constructors.is_empty() && !image.constructed.swap(true, Ordering::Relaxed) {
        let argument = core::ptr::from_ref(image).cast_mut().cast();
        // SAFETY: as in `hook`.
        let done = unsafe { guard::run(Block::own(), layer, layer.epoch(), None, all, argument) };
        sys::check(done)?;
    }
    Ok(image)
}

/// The number of a call as a module has it. The kernel takes an `int`, and a negative one is to be such in the module's
/// words.
pub fn shown(number: usize) -> usize {
    u32::try_from(number).map_or(number, |number| number as i32 as isize as usize)
}

/// A call of the set that the module wants.
fn call(call: &mut Call<'_>, next: Next) -> isize {
    struct Asked(
        unsafe extern "C" fn(*mut abi::Layer, *mut abi::Call) -> c_long,
        *mut abi::Layer,
        abi::Call,
    );
    unsafe extern "C" fn ask(asked: *mut c_void) -> c_long {
        // SAFETY: `call` passes it.
        let asked = unsafe { &mut *asked.cast::<Asked>() };
        // SAFETY: the module's own function, with its layer and a call.
        unsafe { (asked.0)(asked.1, &raw mut asked.2) }
    }
    let layer = next.own();
    let Ok(image) = image(layer) else { return next.call(call) };
    // SAFETY: a raw module has them (`describe`).
    let operations = unsafe { &*image.module.operations.cast::<RawOperations>() };
    let entry = match call.entry {
        Entry::Native => abi::NATIVE,
        Entry::Compat => abi::INT80,
        Entry::X32 => abi::X32,
    };
    let passed = abi::Call::new(shown(call.number), call.args, entry);
    let mut asked = Asked(operations.call, handle(layer), passed);
    let asked = (&raw mut asked).cast();
    let block: *const Block = call.block;
    // SAFETY: as in `hook`; the block is the calling thread's.
    unsafe { guard::run(&*block, layer, layer.epoch(), Some((call, next)), ask, asked) }
}

fn event(layer: &'static Layer, event: Event, block: &mut Block) {
    match event {
        Event::Process => tell(layer, abi::PROCESS, block),
        Event::Thread => tell(layer, abi::THREAD, block),
        // Of an exec the layer hears when it is attached.
        Event::Begin | Event::Exec { .. } | Event::Enter | Event::Started => {}
    }
}

/// Tells the module of an event.
fn tell(layer: &'static Layer, which: c_int, block: &Block) {
    struct Asked(unsafe extern "C" fn(*mut abi::Layer, c_int), *mut abi::Layer, c_int);
    unsafe extern "C" fn ask(asked: *mut c_void) -> c_long {
        // SAFETY: `tell` passes it.
        let asked = unsafe { &*asked.cast::<Asked>() };
        // SAFETY: the module's own function, with its layer.
        unsafe { (asked.0)(asked.1, asked.2) };
        0
    }
    let Some(function) = image(layer).ok().and_then(|image| image.module.event) else { return };
    let mut asked = Asked(function, handle(layer), which);
    let asked = (&raw mut asked).cast();
    // SAFETY: as in `hook`. A fault was reported; there is nothing else to end.
    let _ = unsafe { guard::run(block, layer, layer.epoch(), None, ask, asked) };
}
