//! What vload offers modules: the functions that `vload/module.h` declares.
//!
//! They are called from a module's code, whose pointers are followed as they are: a fault there is the
//! module's, and ends its call.

use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use core::sync::atomic::AtomicU64;

use vload_module::abi;

use super::guard::{self, Guard};
use super::image::Offers;
use super::kernel::{
    vload_alone, vload_execute_as, vload_is_placed, vload_kernel, vload_locks, vload_own,
    vload_placeholders, vload_wait,
};
use super::prepared::Base;
use crate::abi::{Entry, Service, Table, lookup, native_number};
use crate::arch::{self, CallRegs, numbers::F_SETLKW64};
use crate::layer::{self, Call, Layer, Next};
use crate::log::{self, Level, Line};
use crate::memory;
use crate::session;
use crate::sys::{self, Errno};
use crate::thread::{Block, Pool};

macro_rules! offered {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        /// The addresses, in the order of the names.
        fn addresses() -> [usize; NAMES.len()] {
            [$($name as *const () as usize),*]
        }
    };
}

offered! {
    vload_next vload_system vload_get vload_put vload_get_string vload_area vload_word
    vload_thread_word vload_argument vload_log vload_panic vload_area_size vload_lock vload_change
    vload_unlock vload_guard vload_epoch vload_new_epoch vload_view vload_sees vload_lives vload_placeholders
    vload_hold vload_kernel vload_wait vload_locks vload_alone vload_area_offset
    vload_own vload_execute_as vload_is_placed
    memcpy memmove memset memcmp bcmp strlen
}

unsafe extern "C" {
    fn memcpy(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void;
    fn memmove(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void;
    fn memset(to: *mut c_void, byte: c_int, length: usize) -> *mut c_void;
    fn memcmp(a: *const c_void, b: *const c_void, length: usize) -> c_int;
    fn bcmp(a: *const c_void, b: *const c_void, length: usize) -> c_int;
    fn strlen(text: *const c_char) -> usize;
}

/// The address of what is offered at a place of the table.
pub fn address(index: u32) -> usize {
    addresses().get(index as usize).copied().unwrap_or(0)
}

/// What tells this list of names, in this order, from any other, and this machine's.
pub const KEY: u64 = {
    let (mut sum, mut index) = (abi::VERSION as u64 ^ (arch::MACHINE as u64) << 32, 0);
    while index < NAMES.len() {
        let (name, mut at) = (NAMES[index].as_bytes(), 0);
        while at < name.len() {
            sum = (sum ^ name[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        sum = sum.rotate_left(9);
        index += 1;
    }
    sum
};

/// What this vload offers, and besides what the file of the framework exports for modules: what its own prebuilt parts
/// need by other names is nobody else's.
pub struct Offered<'a>(pub Option<&'a [u8]>);

impl Offers for Offered<'_> {
    fn find(&self, name: &[u8]) -> Option<(Base, u64)> {
        match NAMES.iter().position(|known| known.as_bytes() == name) {
            Some(index) => Some((Base::Offered(index as u32), 0)),
            None if !name.starts_with(b"vload_") => None,
            None => Some((Base::Framework, super::export(self.0?, name)?)),
        }
    }
}

/// The layer that a module means.
///
/// # Safety
/// It must be what the module was given.
unsafe fn layer(handle: *mut abi::Layer) -> &'static Layer {
    // SAFETY: layers stay; the caller's promise.
    unsafe { &*handle.cast::<Layer>() }
}

/// What the least of a layer's work needs of the stack below it: a path, and what the system layer does.
const STACK: usize = 32 * 1024;
/// What a lock needs, with what the framework does under its own for a module.
const FOR_LOCK: usize = 16 * 1024;

/// The guard of a module's code that asks for what must not be left on the way, as another layer, or a lock: ends the module's
/// call where there is not enough left of the stack, as in an endless recursion.
fn with_stack(block: &Block, needed: usize) -> Option<&Guard> {
    let local = 0u8;
    if (&raw const local as usize) < Pool::stack_floor(block) + needed {
        guard::fail(block, b"its calls take more than the stack has");
    }
    Guard::current(block)
}

unsafe extern "C" fn vload_next(_: *mut abi::Layer, passed: *mut abi::Call) -> c_long {
    let block = Block::own();
    let Some(guard) = with_stack(block, STACK) else { return raw(Err(Errno::INVAL)) };
    // SAFETY: null, or the call in which the module's code is.
    let (Some(call), Some(next)) = (unsafe { guard.call.cast::<Call<'_>>().as_mut() }, guard.next)
    else {
        return raw(Err(Errno::INVAL));
    };
    // SAFETY: the module's own.
    let passed = unsafe { &*passed };
    call.args = passed.arguments;
    if passed.number != super::place::shown(call.number) {
        call.number = passed.number;
    }
    guard.leave(|| next.call(call)) as c_long
}

/// Calls without a group that may wait.
const WAITS: [Option<usize>; 32] = [
    native_number("futex"),
    native_number("futex_time64"),
    native_number("futex_waitv"),
    native_number("futex_wait"),
    native_number("pause"),
    native_number("sigsuspend"),
    native_number("rt_sigsuspend"),
    native_number("rt_sigtimedwait"),
    native_number("rt_sigtimedwait_time64"),
    native_number("msgsnd"),
    native_number("msgrcv"),
    native_number("semop"),
    native_number("semtimedop"),
    native_number("semtimedop_time64"),
    native_number("ipc"),
    native_number("socketcall"),
    native_number("mq_timedsend"),
    native_number("mq_timedsend_time64"),
    native_number("mq_timedreceive"),
    native_number("mq_timedreceive_time64"),
    native_number("splice"),
    native_number("tee"),
    native_number("vmsplice"),
    native_number("sendfile"),
    native_number("sendfile64"),
    native_number("io_getevents"),
    native_number("io_pgetevents"),
    native_number("io_pgetevents_time64"),
    native_number("io_uring_enter"),
    native_number("syslog"),
    native_number("request_key"),
    native_number("keyctl"),
];

/// Whether a module's own call comes back by itself. A signal does not end such a one: natively none ends what the
/// module's part of the program's call stands for, and it may have had an effect already.
fn never_waits(number: usize, args: &[usize; 6]) -> bool {
    use linux_raw_sys::general::{
        __NR_openat, F_OFD_SETLKW, F_SETLKW, O_DIRECTORY, O_NONBLOCK, O_PATH,
    };
    let described = u32::try_from(number).ok().and_then(|number| lookup(Table::NATIVE, number));
    match described.and_then(|described| described.service()) {
        None => !WAITS.contains(&Some(number)),
        Some(Service::Fcntl) => ![F_SETLKW, F_SETLKW64, F_OFD_SETLKW].contains(&(args[1] as u32)),
        // At offset −1 they use the position, and so pipes and sockets too (preadv2(2)).
        Some(Service::Pread | Service::Pwrite) => {
            arch::offset_of_pair(args[3], args[4]) != u64::MAX
        }
        Some(Service::Open) if number == __NR_openat as usize => {
            args[2] as u32 & (O_PATH | O_DIRECTORY | O_NONBLOCK) != 0
        }
        Some(service) => !matches!(
            service,
            Service::Open
                | Service::Read
                | Service::Write
                | Service::Ioctl
                | Service::Flock
                | Service::Poll
                | Service::EpollWait
                | Service::Connect
                | Service::Accept
                | Service::Send
                | Service::Recv
                | Service::Clone
                | Service::Exec
                | Service::Wait
                | Service::Nanosleep
        ),
    }
}

unsafe extern "C" fn vload_system(
    _: *mut abi::Layer,
    number: c_long,
    arguments: *const [usize; 6],
) -> c_long {
    let block = Block::own();
    let Some(guard) = with_stack(block, STACK) else { return raw(Err(Errno::INVAL)) };
    // SAFETY: the module's own.
    let args = unsafe { *arguments };
    // SAFETY: all zero are registers.
    let mut none: CallRegs = unsafe { core::mem::zeroed() };
    // SAFETY: null, or the call in which the module's code is.
    let regs = match unsafe { guard.call.cast::<Call<'_>>().as_mut() } {
        Some(call) => &mut *call.regs,
        None => &mut none,
    };
    let (limit, asker) = (guard.limit, guard.layer.epoch());
    let number = number as usize;
    let (entry, steady) = (Entry::native(number), never_waits(number, &args));
    let mut call = Call { regs, block: Block::own(), number, args, entry, limit, asker, steady };
    guard.leave(|| layer::pass_below(limit, &mut call)) as c_long
}

unsafe extern "C" fn vload_get(to: *mut u8, from: usize, length: usize) -> c_long {
    // SAFETY: the module's own.
    let to = unsafe { core::slice::from_raw_parts_mut(to, length) };
    raw(memory::copy_in(from, to).map(|()| 0))
}

unsafe extern "C" fn vload_put(to: usize, from: *const u8, length: usize) -> c_long {
    // SAFETY: the module's own.
    let from = unsafe { core::slice::from_raw_parts(from, length) };
    raw(memory::copy_out(to, from).map(|()| 0))
}

unsafe extern "C" fn vload_get_string(to: *mut u8, from: usize, room: usize) -> c_long {
    // SAFETY: the module's own.
    let to = unsafe { core::slice::from_raw_parts_mut(to, room) };
    raw(memory::User::<u8>::new(from).string(to).map(|text| text.count_bytes()))
}

unsafe extern "C" fn vload_area(handle: *mut abi::Layer) -> *mut c_void {
    // SAFETY: the module's own layer.
    unsafe { layer(handle) }.area() as *mut c_void
}

unsafe extern "C" fn vload_area_offset(handle: *mut abi::Layer) -> u64 {
    // SAFETY: the framework's promise: a service layer.
    unsafe { layer(handle) }.area_offset()
}

unsafe extern "C" fn vload_word(handle: *mut abi::Layer) -> *mut usize {
    // SAFETY: the module's own layer.
    unsafe { layer(handle) }.word.as_ptr()
}

unsafe extern "C" fn vload_thread_word(handle: *mut abi::Layer) -> *mut usize {
    // SAFETY: the module's own layer.
    unsafe { layer(handle) }.thread_word(Block::own())
}

unsafe extern "C" fn vload_argument(
    handle: *mut abi::Layer,
    key: *const c_char,
    to: *mut u8,
    room: usize,
) -> c_long {
    // SAFETY: the module's own layer, and its string.
    let (layer, key) = unsafe { (layer(handle), CStr::from_ptr(key)) };
    let Some(value) = layer.spec().and_then(|spec| spec.bytes(key.to_bytes())) else {
        return raw(Err(Errno::NOENT));
    };
    let mut length = 0;
    for byte in value {
        if length < room {
            // SAFETY: the module has as much room.
            unsafe { to.add(length).write(byte) };
        }
        length += 1;
    }
    if length < room {
        // SAFETY: as above.
        unsafe { to.add(length).write(0) };
    }
    length as c_long
}

unsafe extern "C" fn vload_log(
    handle: *mut abi::Layer,
    level: c_int,
    text: *const u8,
    length: usize,
) {
    // SAFETY: the module's own layer, and its text.
    let (layer, text) = unsafe { (layer(handle), core::slice::from_raw_parts(text, length)) };
    let level = match level {
        ..=1 => Level::Error,
        2 => Level::Warn,
        3 => Level::Info,
        _ => Level::Debug,
    };
    let mut line = Line::new();
    line.text("vload: module ").text(layer.raw().name).text(": ").raw(text).text("\n");
    match level {
        Level::Error => log::emergency(line.bytes()),
        _ if log::enabled(level) => log::write(line.bytes()),
        _ => {}
    }
}

unsafe extern "C" fn vload_panic(text: *const u8, length: usize) -> ! {
    // SAFETY: the module's own.
    guard::fail(Block::own(), unsafe { core::slice::from_raw_parts(text, length) })
}

unsafe extern "C" fn vload_guard(
    handle: *mut abi::Layer,
    identity: c_uint,
    epoch: u64,
    passes: c_int,
    function: arch::Guarded,
    argument: *mut c_void,
) -> c_long {
    let block = Block::own();
    let outer = Guard::current(block).filter(|_| passes != 0);
    // SAFETY: null, or the call that the framework is asked about, which waits for this to end.
    let call = outer.and_then(|outer| unsafe { outer.call.cast::<Call<'_>>().as_mut() });
    // SAFETY: the framework's promise: a service layer, and code of its module's.
    unsafe {
        let layer = layer(handle);
        let within = call.map(|call| (call, Next::below(layer, epoch)));
        let run = || guard::run(block, layer, epoch, within, function, argument);
        layer::stay_in(layer, identity, block, run)
            .map_or(raw(Err(Errno::NOENT)), |result| result as c_long)
    }
}

unsafe extern "C" fn vload_area_size(handle: *mut abi::Layer) -> u64 {
    // SAFETY: the module's own layer.
    unsafe { layer(handle) }.area_size() as u64
}

unsafe extern "C" fn vload_lock(handle: *mut abi::Layer, which: c_uint) -> c_int {
    let Some(guard) = with_stack(Block::own(), FOR_LOCK) else { return -Errno::INVAL.0 };
    // SAFETY: the module's own layer.
    let layer = unsafe { layer(handle) };
    let taken = guard.locks().take(layer, which as usize, Block::own());
    taken.map_or_else(|error| -error.0, |()| 0)
}

unsafe extern "C" fn vload_change(_: *mut abi::Layer, at: *const AtomicU64, value: u64) {
    let block = Block::own();
    let Some(guard) = Guard::current(block) else { return };
    // SAFETY: a word of the layer's area, as far as it is one: the journal takes no other.
    let word = unsafe { &*at };
    if guard.locks().change(word, value).is_err() {
        guard::fail(
            block,
            b"it changes what its lock does not guard, or more than a lock can take back",
        );
    }
}

unsafe extern "C" fn vload_unlock(handle: *mut abi::Layer, which: c_uint) {
    let Some(guard) = with_stack(Block::own(), FOR_LOCK) else { return };
    // SAFETY: the module's own layer.
    let layer = unsafe { layer(handle) };
    if guard.locks().give_back(layer.lock(which as usize)).is_err() {
        guard::fail(Block::own(), b"it gives back a lock that it did not take last");
    }
}

unsafe extern "C" fn vload_new_epoch() -> u64 {
    session::new_epoch()
}

unsafe extern "C" fn vload_view() -> u32 {
    session::name()
}

unsafe extern "C" fn vload_sees(view: u32) -> c_int {
    c_int::from(session::sees(view))
}

unsafe extern "C" fn vload_lives(layer: u32, view: u32) -> c_int {
    c_int::from(session::is_there(layer) && session::is_lived_in(view))
}

unsafe extern "C" fn vload_hold(_: *mut abi::Layer, on: c_int) {
    super::framework::hold(on != 0);
}

unsafe extern "C" fn vload_epoch(handle: *mut abi::Layer) -> u64 {
    // SAFETY: a layer that the framework was given.
    unsafe { layer(handle) }.epoch()
}

fn raw(result: sys::Result<usize>) -> c_long {
    sys::raw(result) as c_long
}
