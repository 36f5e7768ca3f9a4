//! What the framework is to vload.

use core::ffi::{c_char, c_int, c_long};
use core::slice::{from_raw_parts, from_raw_parts_mut};
use core::sync::atomic::{AtomicPtr, Ordering};

use abi::Table;
use vload_module::abi::offered::vload_area;
use vload_module::abi::service::core_side::vload_epoch;
use vload_module::abi::service::{
    CLAIM_CONFIRM, CLAIM_EXACT, CLAIM_NEGATIVE, CLAIM_NUMBERS, FrameworkOperations,
    ServiceOperations,
};
use vload_module::abi::{Call, FRAMEWORK, LAYOUT, Layer, MAGIC, Module, PROCESS, THREAD};
use vload_module::{Errno, Result};

use crate::call::{buffer, fd, numbers, path, poll};
use crate::claim::offered::{self, alone};
use crate::claim::target::raw;
use crate::claim::{self, LONGEST};
use crate::descriptor::{self, Records, temporary};
use crate::layers::{self, Service};
use crate::path::{fs, handover, moves};
use crate::{mapped, vload};

/// What a session has of the framework.
#[repr(C)]
struct Area {
    claims: claim::Table,
    records: Records,
    left: handover::Table,
    moves: moves::Log,
    shared: fs::shared::Table,
}

static AREA: AtomicPtr<Area> = AtomicPtr::new(core::ptr::null_mut());

/// What the processes of the session have left for the programs that they execute.
pub fn left() -> Option<&'static handover::Table> {
    // SAFETY: null, or what vload has given, which stays mapped.
    Some(unsafe { &AREA.load(Ordering::Acquire).as_ref()?.left })
}

/// How a call entered: [`Call::entry`].
const NATIVE: u32 = 0;

unsafe extern "C" fn attach(layer: *mut Layer) -> c_int {
    vload::begin(layer);
    // SAFETY: the area has this size, is zero at first, which is empty tables, and stays mapped.
    let area = unsafe { vload_area(layer).cast::<Area>().as_ref() };
    let Some(area) = area else { return raw(Err(Errno::NOMEM)) as c_int };
    claim::attach(&area.claims);
    descriptor::attach(&area.records);
    moves::attach(&area.moves);
    fs::shared::attach(&area.shared);
    AREA.store(core::ptr::from_ref(area).cast_mut(), Ordering::Release);
    area.left.enter();
    0
}

unsafe extern "C" fn event(_: *mut Layer, event: c_int) {
    if event == PROCESS || event == THREAD {
        fs::begun();
    }
}

/// All that threads had noted here which are not in this copy of their process.
unsafe extern "C" fn forked(_: *mut Layer, copied: c_int) {
    let copied = (copied as u32).checked_sub(1);
    vload::own();
    temporary::forked(copied);
    mapped::forked();
    descriptor::forked(copied);
    buffer::forked();
    poll::forked();
    fs::forked();
    moves::forked();
    offered::forked();
}

unsafe extern "C" fn answer(_: *mut Layer, asked: *mut Call, limit: u64, below: u64) -> c_long {
    // SAFETY: vload's, for this call.
    call(unsafe { &mut *asked }, limit, below)
}

/// Answers a call: claims that are older than `limit` are there, and of numbers those older than `below` as well.
pub fn call(call: &mut Call, limit: u64, below: u64) -> c_long {
    if call.entry != NATIVE {
        return vload::next(call);
    }
    if let Some(result) = by_number(call, limit.min(below)) {
        return result;
    }
    let described =
        u32::try_from(call.number).ok().and_then(|number| abi::lookup(Table::NATIVE, number));
    let Some(described) = described else { return vload::next(call) };
    let is_programs = limit == u64::MAX;
    let by_path = path::call(call, described, limit);
    if is_programs && by_path.is_some() {
        mapped::fit_all();
    }
    let answered = by_path.or_else(|| fd::call(call, is_programs));
    answered.unwrap_or_else(|| vload::next(call))
}

/// The newest layer that has claimed a call by its number.
fn by_number(call: &mut Call, limit: u64) -> Option<c_long> {
    let wants = |service: &Service| {
        let operations = service.operations;
        let numbers = (operations.count != 0)
            // SAFETY: judged: as many numbers as the module says, in its image, which stays.
            .then(|| unsafe { from_raw_parts(operations.numbers, operations.count) });
        // The kernel looks at no more of a number.
        let is_it = |&wanted: &usize| wanted as u32 == call.number as u32;
        service.epoch < limit && numbers.is_some_and(|numbers| numbers.iter().any(is_it))
    };
    let service = layers::all().filter(wants).max_by_key(|service| service.epoch)?;
    let operation = service.operations.call?;
    let call = core::ptr::from_mut(call);
    // SAFETY: the layer's, and a call that vload has given.
    service.ask_about_call(|| unsafe { operation(service.layer, call) })
}

unsafe extern "C" fn add(
    _: *mut Layer,
    layer: *mut Layer,
    operations: *const ServiceOperations,
    identity: u32,
) -> c_int {
    // SAFETY: an image's, which stays mapped.
    let operations = unsafe { &*operations };
    // SAFETY: the layer is one.
    let epoch = unsafe { vload_epoch(layer) };
    match layers::add(Service { identity, layer, operations, epoch }) {
        true => 0,
        false => raw(Err(Errno::NOSPC)) as c_int,
    }
}

fn users_of(identity: u32) -> usize {
    descriptor::reclaim();
    let mounts = claim::table().map_or(0, |table| table.mounts_of(identity));
    descriptor::users(identity, None) + mounts
}

unsafe extern "C" fn remove(_: *mut Layer, identity: u32) -> c_int {
    // Its claims stay until it is gone: who is killed in between has changed nothing.
    raw(if users_of(identity) == 0 { Ok(0) } else { Err(Errno::BUSY) }) as c_int
}

unsafe extern "C" fn forget(_: *mut Layer, identity: u32) {
    layers::forget(identity);
    // Without the lock somebody else does.
    let _ = alone(|table| {
        table.sweep();
        Ok(())
    });
}

unsafe extern "C" fn users(_: *mut Layer, identity: u32) -> c_int {
    users_of(identity) as c_int
}

unsafe extern "C" fn claims(
    _: *mut Layer,
    identity: u32,
    index: u32,
    to: *mut c_char,
    room: usize,
) -> c_long {
    // SAFETY: vload's room, as long as it says.
    let room = unsafe { from_raw_parts_mut(to.cast::<u8>(), room) };
    raw(in_words(identity, index, room).map(|length| length as c_long))
}

/// A claim in words: its path, and what it is besides a prefix.
fn in_words(identity: u32, index: u32, to: &mut [u8]) -> Result<usize> {
    let table = claim::table().ok_or(Errno::NOENT)?;
    let number = table.of_layer(identity).nth(index as usize).ok_or(Errno::NOENT)?;
    let mut text = [0; LONGEST];
    let (claim, path) = table.now(number, &mut text).ok_or(Errno::NOENT)?;
    let mut length = 0;
    let mut put = |bytes: &[u8]| {
        let room = to.get_mut(length..length + bytes.len()).ok_or(Errno::RANGE)?;
        room.copy_from_slice(bytes);
        length += bytes.len();
        Ok(())
    };
    put(path)?;
    let words: [(bool, &[u8]); 5] = [
        (claim.flags & CLAIM_EXACT != 0, b" (exact)"),
        (claim.flags & CLAIM_NUMBERS != 0, b" (numbers)"),
        (claim.flags & CLAIM_NEGATIVE != 0, b" (not)"),
        (claim.flags & CLAIM_CONFIRM != 0, b" (asked)"),
        (claim.mounted, b" (mounted)"),
    ];
    for (holds, word) in words {
        if holds {
            put(word)?;
        }
    }
    Ok(length)
}

static OPERATIONS: FrameworkOperations = FrameworkOperations {
    call: answer,
    add,
    remove,
    forget,
    users,
    claims,
    forked,
    numbers: numbers::ALWAYS.as_ptr(),
    count: numbers::ALWAYS.len(),
    held: numbers::HELD.as_ptr(),
    held_count: numbers::HELD.len(),
};

/// The framework.
#[unsafe(no_mangle)]
pub static vload_module: Module = Module {
    magic: MAGIC,
    version: LAYOUT,
    kind: FRAMEWORK,
    name: c"service".as_ptr(),
    description: c"what service modules rest on".as_ptr(),
    keys: core::ptr::null(),
    flags: 0,
    area: size_of::<Area>() as u64,
    init: None,
    attach: Some(attach),
    fini: None,
    event: Some(event),
    operations: (&raw const OPERATIONS).cast(),
};
