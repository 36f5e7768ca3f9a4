//! The views of a session. They are a tree: what a view has, those have that come from it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::arena::{self, Stored};
use super::layers::{self, Registry};
use super::numbers::Numbers;
use crate::layer;
use crate::sys::{self, Errno, Result};
use crate::view::OWN;

/// Views that a session can have at once.
pub const VIEWS: usize = 64;

/// The place of a view. The first is the session's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViewId(pub u32);

/// The view in which a session begins.
pub const ROOT: ViewId = ViewId(0);

/// A view in the session's memory. All zero bytes are none.
#[repr(C)]
pub(super) struct View {
    is_used: AtomicU32,
    parent: AtomicU32,
    /// Where its tables of wanted calls begin (`layer/tables.rs`). The next view here has them, too: no process has
    /// them mapped that is not in the view, or in one that comes from it.
    tables: AtomicU64,
    /// Which of them are filled.
    filled: AtomicU32,
    /// Not 0: one has, or had, numbers beyond those that calls have.
    is_wide: AtomicU32,
    /// How many views have been here before.
    turn: AtomicU32,
    _pad: u32,
}

/// The tables of wanted calls of a view.
pub struct Tables<'a> {
    /// Where they begin in the session's file.
    pub offset: u64,
    /// A bit for each that is filled.
    pub filled: &'a AtomicU32,
    /// Not 0: one has, or had, numbers beyond those that calls have.
    pub is_wide: &'a AtomicU32,
}

const FREE: u32 = 0;
/// It is free again when nobody holds its byte's lock.
const HELD: u32 = 1;
/// It is not free again: there was no way to hold a lock for it.
const FOR_GOOD: u32 = 2;

static CURRENT: AtomicU32 = AtomicU32::new(ROOT.0);

/// The view of this process.
pub fn view() -> ViewId {
    ViewId(CURRENT.load(Ordering::Relaxed))
}

/// Moves this process to another view.
pub fn set_view(view: ViewId) {
    CURRENT.store(view.0, Ordering::Relaxed);
}

/// The tables of a view.
pub fn tables(view: ViewId) -> Option<Tables<'static>> {
    let view = arena::registry()?.view(view)?;
    let offset = view.tables.load(Ordering::Acquire);
    (offset != 0).then_some(Tables { offset, filled: &view.filled, is_wide: &view.is_wide })
}

/// Calls `fill` with what the layers of `view` want, while no layer comes or goes.
pub fn with_wanted(view: ViewId, fill: &mut dyn FnMut(&Numbers) -> Result<()>) -> Result<()> {
    layers::with_held(None, |held| fill(&held.wanted(view)))
}

/// Makes a view that comes from `parent`, which the caller is in. The descriptor that comes with it stands
/// for the session's from then on: as long as a process has it, the view is there. There is none where
/// the file cannot be opened anew, for want of `/proc`; the view is there for good then.
///
/// [`Errno::NOSPC`]: there are too many.
pub fn new_view(parent: ViewId, session: i32) -> Result<(ViewId, Option<i32>)> {
    layers::with_held(None, |held| {
        let registry = held.registry;
        registry.free_views(held);
        let is_free = |view: &View| view.is_used.load(Ordering::Relaxed) == FREE;
        let index = registry.views.iter().position(is_free).ok_or(Errno::NOSPC)?;
        let (id, view) = (ViewId(index as u32), &registry.views[index]);
        let held = registry.hold_view(id, parent, session);
        view.parent.store(parent.0, Ordering::Relaxed);
        view.filled.store(0, Ordering::Relaxed);
        view.is_wide.store(0, Ordering::Relaxed);
        if view.tables.load(Ordering::Relaxed) == 0 {
            let room = arena::room(layer::TABLES as u64).inspect_err(|_| {
                held.inspect(|&fd| sys::close(fd));
            })?;
            view.tables.store(room.offset, Ordering::Relaxed);
        }
        view.turn.fetch_add(1, Ordering::Relaxed);
        view.is_used.store(if held.is_some() { HELD } else { FOR_GOOD }, Ordering::Release);
        Ok((id, held))
    })
}

/// Bits of a view's name that are its place.
const PLACE: u32 = VIEWS.trailing_zeros();

/// What names this process's view for good: no view that comes to its place later has the same.
pub fn name() -> u32 {
    let turn = arena::registry().and_then(|registry| registry.view(view()));
    turn.map_or(0, |view| view.turn.load(Ordering::Relaxed)) << PLACE & NAMES | view().0
}

/// The names that there are: a bit is left to who keeps them.
const NAMES: u32 = u32::MAX >> 1;

/// The view of that name, if it is still there.
fn named(name: u32) -> Option<(&'static Registry, ViewId)> {
    let (registry, id) = (arena::registry()?, ViewId(name % VIEWS as u32));
    let turn = registry.view(id)?.turn.load(Ordering::Relaxed);
    (turn << PLACE & NAMES | id.0 == name).then_some((registry, id))
}

/// Whether this process sees what is in the view of that name.
pub fn sees(name: u32) -> bool {
    named(name).is_some_and(|(registry, id)| registry.is_in(view(), id))
}

/// Whether a process is in the view of that name, or in one that comes from it.
pub fn is_lived_in(name: u32) -> bool {
    named(name).is_some_and(|(registry, id)| registry.is_lived_in(id))
}

/// The byte of the session's file, far behind its end, that is locked for a view.
fn byte(view: ViewId) -> u64 {
    BYTES + u64::from(view.0)
}

const BYTES: u64 = 1 << 62;

/// A new descriptor of the session's file for a process that is to wait for the end of all that is in this process's view
/// ([`attend`], [`outlive`]): it keeps the view.
pub fn stay(session: i32) -> Result<i32> {
    // Those of the first view have no lock until somebody wants to know of their end.
    sys::lock_byte(session, byte(view()))?;
    let fd = sys::reopen(session)?;
    let locked = sys::lock_byte(fd, byte(view()));
    locked.map(|()| fd).inspect_err(|_| sys::close(fd))
}

/// Keeps `view` by a descriptor of [`stay`]'s, of whatever view that is, for as long as that is open in any process.
pub fn keep_view(session: i32, view: ViewId) -> Result<()> {
    sys::lock_byte(session, byte(view))
}

/// Takes it on to wait for the end of `view`; `session` is a descriptor of [`stay`]'s. `false`: somebody else has.
pub fn attend(session: i32, view: ViewId) -> Result<bool> {
    match sys::lock_byte_alone(session, BYTES + (VIEWS as u64) + u64::from(view.0), false) {
        Err(Errno::AGAIN | Errno::ACCES) => Ok(false),
        taken => taken.map(|()| true),
    }
}

/// Waits, for who does ([`attend`]), until no other process is in `view`, or in one that comes from it.
pub fn outlive(session: i32, view: ViewId) -> Result<()> {
    sys::lock_byte_alone(session, byte(view), true)
}

impl Registry {
    /// Begins the first view.
    pub(super) fn begin_views(&self, tables: u64) {
        let root = &self.views[ROOT.0 as usize];
        root.tables.store(tables, Ordering::Relaxed);
        root.is_used.store(FOR_GOOD, Ordering::Relaxed);
    }

    /// A descriptor that keeps `view`, and those that it comes from, from being freed.
    fn hold_view(&self, view: ViewId, parent: ViewId, session: i32) -> Option<i32> {
        let fd = sys::reopen(session).ok()?;
        let mut at = parent;
        let mut locked = sys::lock_byte(fd, byte(view));
        while at != ROOT && locked.is_ok() {
            locked = sys::lock_byte(fd, byte(at));
            at = ViewId(self.view(at)?.parent.load(Ordering::Relaxed));
        }
        let locked = locked.and_then(|()| sys::lock_byte(fd, byte(ROOT)));
        if locked.is_err() {
            sys::close(fd);
        }
        locked.ok().map(|()| fd)
    }

    /// Whether any process is in `view`, or in one that comes from it.
    fn is_lived_in(&self, view: ViewId) -> bool {
        match self.views[view.0 as usize].is_used.load(Ordering::Acquire) {
            FREE => false,
            // The caller's own lock is not another's.
            HELD => {
                self.is_in(self::view(), view) || sys::is_byte_locked(OWN.session.get(), byte(view))
            }
            _ => true,
        }
    }

    /// Frees the views in which no process is any more.
    pub(super) fn free_views(&self, held: &layers::Held<'_>) {
        for view in self.used_views().filter(|&view| !self.is_lived_in(view)) {
            let place = &self.views[view.0 as usize];
            held.clear(view);
            // Who is killed on the way leaves it to the next.
            let offset = place.tables.load(Ordering::Relaxed);
            arena::give_back(Stored { offset, length: layer::TABLES });
            place.is_used.store(FREE, Ordering::Release);
        }
    }

    fn view(&self, view: ViewId) -> Option<&View> {
        self.views.get(view.0 as usize)
    }

    /// Whether `view` is `of`, or comes from it.
    pub(super) fn is_in(&self, view: ViewId, of: ViewId) -> bool {
        let mut at = view;
        for _ in 0..VIEWS {
            if at == of {
                return true;
            }
            match self.view(at) {
                Some(view) if at != ROOT => at = ViewId(view.parent.load(Ordering::Relaxed)),
                _ => return false,
            }
        }
        false
    }

    /// All views that there are.
    pub(super) fn used_views(&self) -> impl Iterator<Item = ViewId> {
        let used = |view: &View| view.is_used.load(Ordering::Acquire) != 0;
        self.views
            .iter()
            .enumerate()
            .filter(move |(_, view)| used(view))
            .map(|(index, _)| ViewId(index as u32))
    }
}
