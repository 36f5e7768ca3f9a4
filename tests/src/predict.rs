//! What the resident's reading of executable files says about executing one, without doing it.

use runtime::image::{Elf, Fd, Format, Head, Limits, Nesting, PATH_MAX, Refusal, Script};
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::{ffi::OsStr, fs::OpenOptions, io};

/// What executing a file will come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prediction {
    /// `execve` returns this error number.
    Refused(i32),
    /// `execve` ends the process by SIGSEGV.
    Fatal,
    /// The program's first instruction is reached, or what is where it should be.
    Runs,
}

impl From<Refusal> for Prediction {
    fn from(refusal: Refusal) -> Self {
        if refusal.fatal { Self::Fatal } else { Self::Refused(refusal.errno.0) }
    }
}

/// Asks about the file at `path`, as executed by that path or, with `closed_on_exec`, by a
/// descriptor that will be closed.
pub fn predict(path: &Path, closed_on_exec: bool, page_size: u64) -> Prediction {
    match walk(path, closed_on_exec, page_size) {
        Ok(()) => Prediction::Runs,
        Err(prediction) => prediction,
    }
}

/// `exec_binprm` of `fs/exec.c`, without entries of binfmt_misc.
fn walk(path: &Path, closed_on_exec: bool, page_size: u64) -> Result<(), Prediction> {
    let mut nesting = Nesting::default();
    let mut file = open_exec(path)?;
    loop {
        nesting.enter()?;
        let source = Fd(file.as_raw_fd());
        let head = Head::read(&source)?;
        match head.format() {
            Format::Script => {
                let script = Script::parse(&head)?;
                if closed_on_exec {
                    return Err(Script::INACCESSIBLE.into());
                }
                file = open_exec(as_path(script.interp()))?;
            }
            Format::Elf => return elf(&source, &head, page_size),
            Format::Other => return Err(head.unknown().into()),
        }
    }
}

/// `load_elf_binary` of `fs/binfmt_elf.c`.
fn elf(source: &Fd, head: &Head, page_size: u64) -> Result<(), Prediction> {
    let limits = Limits::new(page_size);
    let program = Elf::parse(source, head)?;
    let mut path = [0; PATH_MAX];
    let Some(path) = program.interp_path(source, &mut path)? else {
        program.check_property(source)?;
        program.check_load(source, &limits)?;
        return Ok(());
    };
    let file = open_exec(as_path(path))?;
    let interp_source = Fd(file.as_raw_fd());
    let interp = Elf::read_interp(&interp_source)?;
    program.check_load(source, &limits)?;
    interp.check_load_interp(&interp_source, &limits)?;
    Ok(())
}

fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

/// `open_exec` of `fs/exec.c`: a regular file that may be executed.
fn open_exec(path: &Path) -> Result<File, Prediction> {
    let refused = |error: io::Error| Prediction::Refused(error.raw_os_error().unwrap_or(0));
    // O_NONBLOCK: a fifo is not waited for.
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = open.map_err(refused)?;
    let data = file.metadata().map_err(refused)?;
    if !data.is_file() || data.mode() & 0o111 == 0 {
        return Err(Prediction::Refused(libc::EACCES));
    }
    Ok(file)
}
