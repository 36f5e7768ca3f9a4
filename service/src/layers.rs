//! The service layers that are effective in this process, and how code of theirs is called.

use core::ffi::{c_int, c_long, c_void};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use linux_raw_sys::errno::{EIO, ENOENT};
use vload_module::abi::Layer;
use vload_module::abi::service::ServiceOperations;
use vload_module::abi::service::core_side::vload_guard;

use crate::path::known;

/// Layers that a process can have.
const MOST: usize = 64;

/// A service layer in this process.
#[derive(Clone, Copy)]
pub struct Service {
    /// Its number in the session.
    pub identity: u32,
    /// The layer, for what vload offers.
    pub layer: *mut Layer,
    /// What its module does.
    pub operations: &'static ServiceOperations,
    /// When it was loaded.
    pub epoch: u64,
}

struct Slot {
    /// The layer's number plus one; 0 for none.
    identity: AtomicU32,
    layer: AtomicPtr<Layer>,
    operations: AtomicPtr<ServiceOperations>,
    epoch: AtomicU64,
}

static SLOTS: [Slot; MOST] = [const {
    Slot {
        identity: AtomicU32::new(0),
        layer: AtomicPtr::new(core::ptr::null_mut()),
        operations: AtomicPtr::new(core::ptr::null_mut()),
        epoch: AtomicU64::new(0),
    }
}; MOST];

/// Puts a layer in the list, in the stead of what vload knew by its address before. `false` when it is full.
pub fn add(service: Service) -> bool {
    for slot in SLOTS.iter().filter(|slot| slot.layer.load(Ordering::Relaxed) == service.layer) {
        slot.identity.store(0, Ordering::Relaxed);
    }
    let free = SLOTS.iter().find(|slot| slot.identity.load(Ordering::Relaxed) == 0);
    let Some(slot) = free else { return false };
    slot.layer.store(service.layer, Ordering::Relaxed);
    slot.operations.store(core::ptr::from_ref(service.operations).cast_mut(), Ordering::Relaxed);
    slot.epoch.store(service.epoch, Ordering::Relaxed);
    slot.identity.store(service.identity + 1, Ordering::Release);
    known::change();
    true
}

/// Takes a layer from the list. Calls of its code that go on are not hindered: images stay mapped.
pub fn forget(identity: u32) {
    for slot in &SLOTS {
        let _ =
            slot.identity.compare_exchange(identity + 1, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
    known::change();
}

/// The layer of that number, if it is effective in this process.
pub fn find(identity: u32) -> Option<Service> {
    SLOTS.iter().find_map(|slot| {
        (slot.identity.load(Ordering::Acquire) == identity + 1).then(|| Service {
            identity,
            layer: slot.layer.load(Ordering::Relaxed),
            // SAFETY: a slot with an identity has been filled by `add`, with a reference that lives as long as
            // the process.
            operations: unsafe { &*slot.operations.load(Ordering::Relaxed) },
            epoch: slot.epoch.load(Ordering::Relaxed),
        })
    })
}

/// All of them, in no order.
pub fn all() -> impl Iterator<Item = Service> {
    let identities = SLOTS.iter().map(|slot| slot.identity.load(Ordering::Acquire));
    identities.filter_map(|identity| find(identity.checked_sub(1)?))
}

/// The layer that vload knows by that address.
pub fn of(layer: *mut Layer) -> Option<Service> {
    let is_it = |slot: &&Slot| slot.layer.load(Ordering::Acquire) == layer;
    let identity = SLOTS.iter().find(is_it)?.identity.load(Ordering::Acquire);
    find(identity.checked_sub(1)?)
}

impl Service {
    /// Calls code of the layer's module: a fault in it is `-EIO`. Where the layer has gone meanwhile it is `-ENOENT`.
    pub fn ask<F: FnOnce() -> c_long>(&self, what: F) -> c_long {
        self.guarded(what, false).unwrap_or(-c_long::from(ENOENT as c_int))
    }

    /// The same of code that is given the call, and may give it on. `None`: the layer has gone meanwhile.
    pub fn ask_about_call<F: FnOnce() -> c_long>(&self, what: F) -> Option<c_long> {
        self.guarded(what, true)
    }

    fn guarded<F: FnOnce() -> c_long>(&self, what: F, passes: bool) -> Option<c_long> {
        unsafe extern "C" fn run<F: FnOnce() -> c_long>(what: *mut c_void) -> c_long {
            // SAFETY: `vload_guard` hands over what it was given below, once.
            match unsafe { (*what.cast::<Option<F>>()).take() } {
                Some(what) => what(),
                None => -c_long::from(EIO as c_int),
            }
        }
        let mut what = Some(what);
        // SAFETY: the argument is what `run` takes, and outlives the call.
        let result = unsafe {
            let what = (&raw mut what).cast();
            vload_guard(self.layer, self.identity, self.epoch, passes.into(), run::<F>, what)
        };
        what.is_none().then_some(result)
    }
}
