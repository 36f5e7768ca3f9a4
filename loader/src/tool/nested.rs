//! The parent of a nested `vload -m count`: it is not in the view, prints what the view has counted when the program has ended, and
//! ends as that did.

use runtime::log::{self, Line};
use runtime::module::control;
use runtime::session::{self, ViewId};
use runtime::sys::{self, Errno, Result};
use runtime::view::OWN;

use super::built_in;
use crate::message::{USAGE, fail};
use crate::summary;

/// What the child has of its parent.
pub struct Parent {
    /// The session's file, by a description that both have.
    session: i32,
    /// Where the parent hears which view it is.
    told: i32,
}

/// Forks: the child comes back, and is to make the view.
pub fn with_parent() -> Parent {
    start().unwrap_or_else(|error| {
        fail(USAGE, format_args!("-m: count: no process for the program: {}", error.text()))
    })
}

fn start() -> Result<Parent> {
    let session = built_in::moved_up(control::ask(control::STAY, [0; 3])? as i32)?;
    let [read, write] = sys::pipe()?;
    let mask = sys::block_signals(summary::WAITED_FOR);
    let child = match sys::fork()? {
        0 => {
            sys::set_signal_mask(mask);
            sys::close(read);
            return Ok(Parent { session, told: built_in::moved_up(write)? });
        }
        child => child as i32,
    };
    sys::close(write);
    let view = hear(read);
    let status = summary::wait(child);
    // Who could not begin has said why.
    if let Ok(view) = view
        && let Err(error) = print(session, view)
    {
        let mut line = Line::new();
        line.text("vload: the table of module 'count' is lost: ").text(error.text()).text("\n");
        log::emergency(line.bytes());
    }
    sys::end_like(status)
}

/// The view that the child has made; it is over where there is none.
fn hear(read: i32) -> Result<ViewId> {
    let mut said = [0; size_of::<u32>()];
    loop {
        match sys::read(read, &mut said) {
            Err(Errno::INTR) => {}
            Ok(length) if length == said.len() => return Ok(ViewId(u32::from_ne_bytes(said))),
            other => return Err(other.err().unwrap_or(Errno::SRCH)),
        }
    }
}

fn print(session: i32, view: ViewId) -> Result<()> {
    session::join(session)?;
    OWN.session.set(session);
    built_in::write_tables(session, view, built_in::write_to)
}

impl Parent {
    /// The view is made, and the program can begin: the view is kept until the parent has ended.
    pub fn tell(self) -> Result<()> {
        let view = ViewId(control::ask(control::INFO, [control::VERSION, 0, 0])? as u32);
        session::keep_view(self.session, view)?;
        sys::write_all(self.told, &view.0.to_ne_bytes())
    }
}
