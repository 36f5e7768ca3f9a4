//! From a command line to the part that does it.

use alloc::vec::Vec;

use runtime::process;

use super::{built_in, prepare, verbs};
use crate::command::{self, Command};
use crate::message::{USAGE, fail};
use crate::vectors::{Vectors, string};

/// What is asked, by a vload.
pub fn decide(vectors: Vectors) -> ! {
    let (Some(own), Some(verb)) = (vectors.arg(1), vectors.arg(2)) else { alone() };
    let words: Vec<&'static [u8]> =
        vectors.argv[3..].iter().map(|&at| string(at).to_bytes()).collect();
    let end = words.iter().position(|&word| word == b"--").unwrap_or(words.len());
    match verb.to_bytes() {
        b"--ask" => verbs::run(&vectors, own, &words),
        b"--begin" => prepare::begin(&vectors, own, &words[..end], 3 + end + 1),
        b"--nest" => verbs::nest(&vectors, own, &words[..end], 3 + end + 1),
        b"--report" => built_in::wait_for_end(words.first().copied().unwrap_or_default()),
        _ => {}
    }
    // As vload has it, whose path stands for its name.
    let vectors = Vectors { argv: &vectors.argv[1..], ..vectors };
    match command::parse(&vectors) {
        Command::Doctor { json } => crate::doctor::run(&vectors, json),
        Command::Bisect(ask) => crate::bisect::run(&vectors, &ask),
        Command::Check(check) => {
            process::configure();
            crate::check::run(&vectors, check)
        }
        _ => alone(),
    }
}

fn alone() -> ! {
    fail(USAGE, format_args!("vload-tool is a part of vload, which starts it"))
}
