//! The program `vload-tool`, which vload becomes for what a run has no need of: for modules that are files, of which it
//! makes what the resident only has to map; for `bisect`, `check` and `doctor`. It shares the files of the program `vload`.
//!
//! ```text
//! vload-tool VLOAD bisect|check|doctor …        as typed
//! vload-tool VLOAD --ask insmod|rmmod|lsmod|mount|umount …   in the session that it is started in
//! vload-tool VLOAD --ask new|cflags …           anywhere
//! vload-tool VLOAD --report VIEW                outside: waits for the end of a view whose session is descriptor 3
//! vload-tool VLOAD --begin M… -- ARGUMENT…      prepares what -m names, and becomes `VLOAD --prepared FD ARGUMENT…`
//! vload-tool VLOAD --nest M… -- PATH NAME ARG…  loads what -m names in a view of its own, and becomes PATH
//! ```
#![no_std]
#![no_main]
#![deny(missing_docs)]
#![allow(dead_code, reason = "most of what is shared only the other program uses")]

extern crate alloc;
// Named by nothing but compiled code.
extern crate builtins as _;

mod arch;
mod auxv;
mod bisect;
mod check;
mod client;
mod command;
mod debugger;
mod doctor;
mod entry;
mod executable_stack;
mod find;
mod handover;
mod help;
mod identity;
mod interpreter;
mod map;
mod message;
mod natively;
mod output;
mod privilege;
mod report;
mod runs_without_unwinding;
mod stack;
mod summary;
#[path = "tool/mod.rs"]
mod tool;
mod vdso;
mod vectors;

use tool::decide;
