//! The layers of the session, in this process: they come and go with the views' records, which any process
//! changes. A process looks when a call comes to the resident and the session has seen a change since.

use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use super::list::{self, Layer};
use super::modules;
use super::raw::Raw;
use super::ring;
use super::wanted;
use vload_module::abi::FRAMEWORK;

use crate::abi::Entry;
use crate::module;
use crate::session::{self, Kept, LayerId, Lock, NewLayer, Record, ViewId};
use crate::sys::{self, Errno, Result};
use crate::thread::Block;
use crate::view::OWN;

/// Who changes the list of this process holds it: a thread, or a vfork child, which can be killed alone.
static CHANGING: Lock = Lock::free();

/// The generation that the list is of.
static SEEN: AtomicU64 = AtomicU64::new(session::FIRST_EPOCH);

/// `Record::kind` of a module that is part of vload.
pub const BUILT_IN: u32 = 0;

/// Brings the list up to the session, if that has changed. Called on the way of every call that comes
/// to the resident.
#[inline]
pub fn look() {
    if is_behind() {
        catch_up();
    }
}

fn is_behind() -> bool {
    session::generation()
        .is_some_and(|now| now.load(Ordering::Acquire) != SEEN.load(Ordering::Acquire))
}

/// Has the layers that the view has now.
#[cold]
pub fn catch_up() {
    // A layer that is being put in place makes a call of its own: it is seen behind that.
    let _ = change(&mut || {
        while is_behind() {
            follow();
        }
        Ok(())
    });
}

/// Runs `act` while nobody else changes the list.
fn change<T>(act: &mut dyn FnMut() -> Result<T>) -> Result<T> {
    let mut kept = Kept::none();
    CHANGING.take_private(&mut kept)?;
    let result = act();
    if wanted::is_alone() {
        // The session's lock was held when this process wanted more than before.
        wanted::lead();
    }
    CHANGING.give_back(&mut kept);
    result
}

/// Holds the list as it is over a fork. The parent, and where there is one the child, calls
/// [`release`].
pub fn hold(kept: &mut Kept) -> bool {
    CHANGING.take_private(kept).is_ok()
}

/// Ends [`hold`].
pub fn release(kept: &mut Kept, is_child: bool) {
    match is_child {
        true => CHANGING.forget(kept),
        false => CHANGING.give_back(kept),
    }
}

/// Ends [`hold`] in the stead of a fork that sleeps, and has left the lock's list (`memory/lock.rs`).
pub fn release_for_another() {
    CHANGING.release();
}

fn follow() {
    let bits = |layer: &Layer| layer.bit();
    let (before, mut present) = (list::loaded().map(bits).sum::<u64>(), 0u64);
    // What service layers rest on comes before them, whatever its place in time.
    session::effective(session::view(), &mut |record| {
        if record.kind == FRAMEWORK {
            present |= have(record);
        }
    });
    let generation = session::effective(session::view(), &mut |record| present |= have(record));
    for layer in list::loaded().filter(|layer| present & layer.bit() == 0) {
        list::set_live(layer, false);
        if layer.raw().is_service {
            module::framework::forget(layer.epoch());
        }
    }
    ring::meet(list::loaded().filter(|layer| before & layer.bit() == 0).map(Layer::raw));
    if wanted::is_alone() {
        wanted::lead();
    }
    if wanted::is_alone() {
        let raws = || list::loaded().map(Layer::raw);
        wanted::set_loaded(
            |number| raws().any(|raw| raw.wants.has(Entry::Native, number)),
            |number| raws().any(|raw| raw.wants.has(Entry::Native, number as usize)),
        );
    }
    SEEN.store(generation, Ordering::Release);
}

/// Lets calls come to the layer of a record: its bit, or 0 when it cannot be had here.
fn have(record: &Record) -> u64 {
    let layer = list::loaded().find(|layer| layer.epoch() == record.epoch);
    match layer.map_or_else(|| attach(record), Ok) {
        Ok(layer) => {
            list::set_live(layer, true);
            layer.bit()
        }
        // It went just now, and the list is looked at again.
        Err(Errno::NOENT) if !session::is_there(record.epoch as u32) => 0,
        Err(error) => {
            let name = core::str::from_utf8(record.name()).unwrap_or("?");
            crate::log!(Error, "module '{name}' is missing in this process: {}", error.text());
            0
        }
    }
}

/// The module of a record, in this process.
fn module_of(record: &Record) -> Result<&'static Raw> {
    match record.kind {
        BUILT_IN => modules::named(record.name()).ok_or(Errno::NOENT),
        _ => module::raw_of(record.image),
    }
}

/// Puts a layer in a place of the list. No call comes to it yet.
fn put(record: &Record) -> Result<&'static Layer> {
    let mut text: Vec<u8> = record.name().into();
    let arguments = session::bytes(record.arguments)?;
    if !arguments.is_empty() {
        text.push(b':');
        text.extend(arguments);
    }
    list::put(record, module_of(record)?, text)
}

/// The same, for one that other processes have.
fn attach(record: &Record) -> Result<&'static Layer> {
    let layer = put(record)?;
    let spec = layer.spec().ok_or(Errno::INVAL)?;
    (layer.raw().attach)(layer, spec)?;
    Ok(layer)
}

/// Puts a new layer in this process's view, above all others.
pub fn insert(new: &NewLayer<'_>, block: Option<NonNull<Block>>) -> Result<LayerId> {
    // All views of a session rest on one framework.
    let view = if new.kind == FRAMEWORK { session::ROOT } else { session::view() };
    change(&mut || {
        let mut put_here = None;
        let inserted = session::insert(view, new, block, &mut |record| {
            let layer = put(record)?;
            let spec = layer.spec().ok_or(Errno::INVAL)?;
            (layer.raw().init)(layer, spec)?;
            (layer.raw().attach)(layer, spec)?;
            put_here = Some(layer);
            Ok(())
        })?;
        // It has its place from now on: a place that is not live is the next one's.
        if let Some(layer) = put_here {
            list::set_live(layer, true);
        }
        follow();
        Ok(inserted)
    })
}

/// Takes the newest layer of that name out of this process's view. `fini` is called before, and its error
/// keeps it.
pub fn remove(
    name: &[u8],
    block: Option<NonNull<Block>>,
    fini: &mut dyn FnMut(&'static Layer) -> Result<()>,
) -> Result<()> {
    change(&mut || {
        session::remove(session::view(), name, block, &mut |record| {
            let here = list::loaded().find(|layer| layer.epoch() == record.epoch);
            let layer = here.map_or_else(|| attach(record), Ok)?;
            fini(layer)
        })?;
        follow();
        Ok(())
    })
}

/// Makes a view that comes from this process's, and moves the process there with all that it starts.
///
/// [`Errno::INVAL`]: the caller is a vfork child, whose memory, and with it the view, is its parent's too.
/// [`Errno::NOSPC`]: there are too many views.
pub fn enter_new_view(block: &Block) -> Result<ViewId> {
    if !core::ptr::eq(block.descriptors, &raw const OWN) {
        return Err(Errno::INVAL);
    }
    change(&mut || {
        let session = OWN.session.get();
        let (view, held) = session::new_view(session::view(), session)?;
        if let Some(held) = held {
            // The number stays: other threads use it.
            let placed = sys::duplicate_onto(held, session);
            sys::close(held);
            placed?;
        }
        session::set_view(view);
        wanted::share();
        Ok(view)
    })
}
