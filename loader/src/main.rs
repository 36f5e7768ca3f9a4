//! The program `vload`: starts before the target, maps it and its interp, and hands over.
//!
//! The way through the files: `arch/*` (first instruction, self-relocation) → `entry` (a stack of our
//! own) → `start` → `command` (what is asked) → `find` (which file) → `map` (its segments) → `stack`
//! (what the kernel would have put there) → `identity` (what the kernel shows of the process) →
//! `handover`. `check`, `doctor` and `bisect` are run by `vload-tool`.
#![no_std]
#![no_main]
#![deny(missing_docs)]

extern crate alloc;
// Named by nothing but compiled code.
extern crate builtins as _;

mod arch;
mod auxv;
#[allow(dead_code, reason = "`vload-tool` runs it")]
mod bisect;
#[allow(dead_code, reason = "`vload-tool` runs it")]
mod check;
mod client;
mod command;
mod debugger;
#[allow(dead_code, reason = "`vload-tool` runs it")]
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
mod start;
mod summary;
mod vdso;
mod vectors;

use start::decide;
