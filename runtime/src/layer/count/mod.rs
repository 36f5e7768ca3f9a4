//! `-m count`: counts the calls of each thread, in the session's memory, where they outlive whatever
//! becomes of it.

mod records;
mod table;

use alloc::string::String;
use core::sync::atomic::Ordering;

use super::Call;
use super::list::{Layer, Next};
use super::raw::{Event, Raw, Report};
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
    area: size_of::<Records>(),
    call,
    event,
    fini,
    ..Raw::PLAIN
};

/// Where the table goes; without it, to standard error.
pub const FILE: &str = "file";

/// The records that a layer of this module keeps.
pub fn records(layer: &Layer) -> Result<&'static Records> {
    // SAFETY: 0, or where the layer's area is mapped, which stays as long as a thread is in the layer; zero bytes, as
    // the area begins, are valid records.
    unsafe { (layer.area() as *const Records).as_ref() }.ok_or(Errno::NOENT)
}

fn call(call: &mut Call<'_>, next: Next) -> isize {
    let layer = next.own();
    let Ok(records) = records(layer) else { return next.call(call) };
    let record = match *layer.thread_word(call.block) {
        0 => found(layer, records, call.block),
        record => record,
    };
    // Before it is made: there are calls that do not return.
    records.count(record, PROGRAM.place());
    let result = next.call(call);
    // What is gone takes no memory again.
    if result == ABORTED && !next.is_gone() {
        records.take_back(record);
    }
    result
}

fn event(layer: &Layer, event: Event, block: &mut Block) {
    let Ok(records) = records(layer) else { return };
    let word = layer.thread_word(block);
    let kind = match event {
        Event::Started => return records.started(*word),
        Event::Enter if *word != 0 => return records.enter(*word, PROGRAM.place()),
        Event::Begin => Kind::First,
        // A layer that was loaded while the session ran is put in place only then.
        Event::Exec { .. } | Event::Enter => Kind::Exec,
        Event::Process => Kind::Fork,
        // It is found with its first call, as its starter would be.
        Event::Thread if *word == 0 => return,
        Event::Thread => Kind::Thread,
    };
    *word = records.begin(kind, sys::gettid(), *word);
}

/// A thread that ran before there was the layer: its record from now on.
#[cold]
fn found(layer: &Layer, records: &Records, block: &mut Block) -> usize {
    let process = block.process.load(Ordering::Relaxed);
    let word = records.find(process, sys::gettid(), &layer.word);
    *layer.thread_word(block) = word;
    word
}

/// The table is for who removes the layer.
fn fini(layer: &'static Layer, report: &mut Report) -> Result<()> {
    let file = layer.spec().and_then(|spec| spec.value(FILE.as_bytes()));
    report.file = file.unwrap_or_default();
    write(records(layer)?, &mut report.text);
    Ok(())
}

/// Writes the table of what this session has counted.
pub fn write(records: &Records, to: &mut String) {
    let path = |place| session::members()?.path_at(place);
    let written = records.write(path, to);
    debug_assert!(written.is_ok(), "a string takes all");
}
