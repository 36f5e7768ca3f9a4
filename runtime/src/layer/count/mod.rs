//! `-m count`: counts the calls of each thread, in the session's memory, where they outlive whatever
//! becomes of it.

mod records;
mod table;

use core::sync::atomic::Ordering;

use super::Call;
use super::list::{Layer, Next};
use super::raw::{Event, Raw, Wants};
use super::spec::Spec;
use crate::arch::ABORTED;
use crate::session;
use crate::sys::{self, Errno, Result};
use crate::thread::Block;
use crate::view::PROGRAM;

pub use records::{Kind, Recorded, Records};

/// The module.
pub static COUNT: Raw = Raw {
    name: "count",
    description: "counts the calls of every process and thread",
    keys: &[FILE],
    wants: Wants::Every,
    only_looks: true,
    init,
    attach,
    call,
    event,
    is_service: false,
    image: None,
};

/// Where the table goes; without it, to standard error.
pub const FILE: &str = "file";

fn init(layer: &Layer, _: Spec<'_>) -> Result<()> {
    session::reserve_area(layer.index(), size_of::<Records>())
}

fn attach(layer: &Layer, _: Spec<'_>) -> Result<()> {
    let start = session::map_area(layer.index(), size_of::<Records>())?;
    layer.word.store(start, Ordering::Release);
    Ok(())
}

/// The records that a layer of this module keeps.
pub fn records(layer: &Layer) -> Result<&'static Records> {
    let start = layer.word.load(Ordering::Acquire);
    // SAFETY: 0, or where `attach` mapped the area, which nobody unmaps; zero bytes, as the area
    // begins, are valid records.
    unsafe { (start as *const Records).as_ref() }.ok_or(Errno::NOENT)
}

fn call(call: &mut Call<'_>, next: Next) -> isize {
    let layer = next.own();
    let Ok(records) = records(layer) else { return next.call(call) };
    let record = *layer.thread_word(call.block);
    // Before it is made: there are calls that do not return.
    records.count(record, PROGRAM.place());
    let result = next.call(call);
    if result == ABORTED {
        records.take_back(record);
    }
    result
}

fn event(layer: &Layer, event: Event, block: &mut Block) {
    let Ok(records) = records(layer) else { return };
    let word = layer.thread_word(block);
    let kind = match event {
        Event::Started => return records.started(*word),
        Event::Enter => return records.enter(*word, PROGRAM.place()),
        Event::Begin => Kind::First,
        Event::Exec { .. } => Kind::Exec,
        Event::Process => Kind::Fork,
        Event::Thread => Kind::Thread,
    };
    *word = records.begin(kind, sys::gettid(), *word);
}
