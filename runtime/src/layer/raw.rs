//! What a raw layer is: code that is given the registers of every call in a set, before anything else
//! has looked at them.

use alloc::string::String;
use alloc::vec::Vec;

use super::Call;
use super::list::{Layer, Next};
use super::spec::Spec;
use crate::abi::Entry;
use crate::module::Image;
use crate::sys;
use crate::thread::Block;

/// A module whose layers get calls by their numbers.
pub struct Raw {
    /// Its name for `-m`.
    pub name: &'static str,
    /// What it does, in a line.
    pub description: &'static str,
    /// The arguments that it takes.
    pub keys: &'static [&'static str],
    /// The calls that its layers want.
    pub wants: Wants,
    /// It gives no call another meaning: what goes around it (`ring`) is only not seen.
    pub only_looks: bool,
    /// Bytes of memory that all processes of the session share ([`Layer::area`]).
    pub area: usize,
    /// Once for each layer of a session, in the process that loads it.
    pub init: fn(&'static Layer, Spec<'_>) -> sys::Result<()>,
    /// Once for each layer in each program that a process begins, and before any call.
    pub attach: fn(&'static Layer, Spec<'_>) -> sys::Result<()>,
    /// A call. The layer answers it by what it gives back, or asks the next layer, with the call as
    /// it is or as it has changed it. [`crate::arch::ABORTED`] from below must be handed up as it
    /// is: the call has had no effect, and comes again when a signal's handler has run.
    pub call: fn(&mut Call<'_>, Next) -> isize,
    /// Something has happened that is no call.
    pub event: fn(&'static Layer, Event, &mut Block),
    /// Before a layer is removed from the session; an error keeps it.
    pub fini: fn(&'static Layer, &mut Report) -> sys::Result<()>,
    /// Its layers are asked by the framework, and by none else.
    pub is_service: bool,
    /// Where its code is mapped, if it is no part of vload.
    pub image: Option<&'static Image>,
}

/// What a layer leaves to a person when it goes.
#[derive(Default)]
pub struct Report {
    /// The path of the file that it is for; empty: standard error.
    pub file: Vec<u8>,
    /// What it says; empty: nothing.
    pub text: String,
}

/// A set of calls.
#[derive(Clone, Copy)]
pub enum Wants {
    /// Every call by every entry: also those whose number no kernel knows.
    Every,
    /// Those of these numbers by the native entry.
    Numbers(&'static [usize]),
}

impl Wants {
    /// Whether the call is in the set.
    pub fn has(self, entry: Entry, number: usize) -> bool {
        match self {
            Self::Every => true,
            // The kernel looks at no more of a number, and what a module calls -1 has more bits.
            Self::Numbers(numbers) => {
                entry == Entry::Native
                    && numbers.iter().any(|&wanted| wanted as u32 == number as u32)
            }
        }
    }
}

/// What a layer hears of besides calls, on the thread that it concerns.
#[derive(Clone, Copy)]
pub enum Event {
    /// The session begins with this process.
    Begin,
    /// An exec has succeeded: this is the new program, and this was the call.
    Exec {
        /// Its number.
        number: usize,
        /// Its first arguments, as they were given in the program before.
        arguments: [u64; 5],
    },
    /// The program's first instruction comes next.
    Enter,
    /// The caller has started a process.
    Started,
    /// This is a process that has just been started, with its starter's words.
    Process,
    /// This is a thread that has just been started, with its starter's words.
    Thread,
}

impl Raw {
    /// What most modules are: they want every call, hand it on, and need nothing besides.
    pub const PLAIN: Self = Self {
        name: "",
        description: "",
        keys: &[],
        wants: Wants::Every,
        only_looks: true,
        area: 0,
        init: |_, _| Ok(()),
        attach: |_, _| Ok(()),
        call: |call, next| next.call(call),
        event: |_, _, _| {},
        fini: |_, _| Ok(()),
        is_service: false,
        image: None,
    };
}
