//! Crafted ELF files and scripts: what the kernel does with each, and what the resident's
//! reading of it says.
//!
//! The table is the kernel's behaviour, and this test holds both to it. Its errors come from
//! `fs/binfmt_elf.c` and `fs/binfmt_script.c` of Linux 6.18.

mod headers;
mod interps;
mod scripts;
mod segments;
mod table;

use End::{Exited, Refused};
use headers::{headers, truncations};
use interps::interps;
use libc::{ENOENT, ENOEXEC};
use scripts::scripts;
use segments::segments;
use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use table::{PAGE, RUNS, Table, exec};
use vload_tests::hosted::{Hosted, Way, same};
use vload_tests::native::{Bounds, End, Program, execute};
use vload_tests::predict::{Prediction, predict};
use vload_tests::scratch::Scratch;

/// A file that is being written cannot be executed (ETXTBSY), and a process that the other test starts just then has it open,
/// too, until it executes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Executes every case by path, and compares with the table and with what is predicted.
#[test]
fn crafted_files() -> Result<(), Box<dyn Error>> {
    let _alone = ONE_AT_A_TIME.lock();
    let scratch = Scratch::new()?;
    let mut table = Table::default();
    headers(&mut table);
    truncations(&mut table);
    segments(&mut table);
    interps(&mut table, &scratch)?;
    scripts(&mut table, &scratch)?;
    assert!(table.0.len() > 150, "only {} cases", table.0.len());
    // `cargo xtask test` names the vload under test.
    let vload = env::var_os("VLOAD_TEST_BINARY").map(PathBuf::from);
    let hosted = vload.map(|vload| Hosted::new(&vload, scratch.path())).transpose()?;
    let bounds = Bounds::default();
    let mut wrong = Vec::new();
    for case in &table.0 {
        let path = scratch.write("case", &case.file, 0o755)?;
        let outcome = execute(Program::Path(&path), &[b"case", b"one"], &bounds)?;
        if outcome.end != case.end {
            wrong.push(format!(
                "{}: {:?} but the table says {:?}",
                case.name, outcome.end, case.end
            ));
        }
        let expected =
            String::from_utf8_lossy(&case.output).replace("SELF", &path.to_string_lossy());
        if !case.output.is_empty() && outcome.output != expected.as_bytes() {
            let output = outcome.output.escape_ascii();
            wrong.push(format!("{}: output {output}, not {expected:?}", case.name));
        }
        let predicted = predict(&path, false, PAGE);
        let right = match case.end {
            Refused(errno) => Prediction::Refused(errno),
            _ if case.begins => Prediction::Runs,
            _ => Prediction::Fatal,
        };
        if predicted != right {
            wrong.push(format!("{}: predicted {predicted:?}, not {right:?}", case.name));
        }
        for way in Way::ALL {
            let Some(hosted) = &hosted else { continue };
            let hosted = hosted.run(way, &path, &bounds)?;
            if !same(way, &outcome, &hosted, right) {
                let output = hosted.output.escape_ascii();
                let end = hosted.end;
                let name = &case.name;
                wrong.push(format!("{name}: {way:?} {end:?} {output}, not {:?}", case.end));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.0.len(), wrong.join("\n"));
    Ok(())
}

/// `BINPRM_FLAGS_PATH_INACCESSIBLE`: scripts by a descriptor that is closed on exec.
#[test]
fn scripts_by_descriptor() -> Result<(), Box<dyn Error>> {
    let _alone = ONE_AT_A_TIME.lock();
    let scratch = Scratch::new()?;
    let bounds = Bounds::default();
    let run = |path: &Path, keep: bool| -> Result<End, Box<dyn Error>> {
        // std opens with O_CLOEXEC.
        let file = File::open(path)?;
        if keep {
            // SAFETY: no memory is passed; the descriptor is ours.
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) };
        }
        Ok(execute(Program::Fd(file.as_raw_fd()), &[b"case"], &bounds)?.end)
    };
    let script = scratch.write("script", b"#!/bin/sh\nexit 5\n", 0o755)?;
    assert_eq!(run(&script, true)?, Exited(5));
    assert_eq!(run(&script, false)?, Refused(ENOENT));
    assert_eq!(predict(&script, true, PAGE), Prediction::Refused(ENOENT));
    // The line is judged first.
    let bad = scratch.write("bad", b"#!\n", 0o755)?;
    assert_eq!(run(&bad, false)?, Refused(ENOEXEC));
    assert_eq!(predict(&bad, true, PAGE), Prediction::Refused(ENOEXEC));
    let elf = scratch.write("elf", &exec().build(), 0o755)?;
    assert_eq!(run(&elf, false)?, RUNS);
    assert_eq!(predict(&elf, true, PAGE), Prediction::Runs);
    fs::remove_file(elf)?;
    Ok(())
}
