//! From a file to the ELF program that the kernel would run for it: through `#!` lines and
//! binfmt_misc entries, by `search_binary_handler` (fs/exec.c). No allocation, because a vfork
//! child comes here too.
#![allow(
    clippy::result_large_err,
    reason = "a failure carries the path that is to blame, and there is no heap to put it on"
)]

use core::ffi::CStr;

use super::misc;
use crate::image::{Elf, Fd, Format, Head, Limits, Nesting, PATH_MAX, Refusal, Script, What};
use crate::sys::{self, Errno};
use linux_raw_sys::general::O_RDONLY;

/// An opened program, and the interp it names.
pub struct Resolved {
    /// The program's descriptor, close-on-exec.
    pub program: i32,
    /// What its headers say.
    pub elf: Elf,
    /// The interp's descriptor and headers.
    pub interp: Option<(i32, Elf)>,
    /// The file that a binfmt_misc interpreter gets opened (`AT_EXECFD`). Whoever starts the program
    /// leaves it open.
    pub execfd: Option<i32>,
}

impl Resolved {
    /// Closes what is open, but for `except` and the interpreter's file.
    pub fn close(&self, except: i32) {
        if self.program != except {
            sys::close(self.program);
        }
        if let Some((interp, _)) = self.interp {
            sys::close(interp);
        }
    }
}

impl Resolved {
    /// Closes everything.
    pub fn close_all(&self) {
        self.close(-1);
        if let Some(file) = self.execfd {
            sys::close(file);
        }
    }
}

/// Why there is nothing to run, and which file is to blame.
pub struct Failure {
    /// What the kernel answers, and why.
    pub refusal: Refusal,
    /// The file's path, NUL-terminated.
    pub path: [u8; PATH_MAX],
}

impl Failure {
    fn of(refusal: Refusal, path: &CStr) -> Self {
        let mut copy = [0; PATH_MAX];
        let bytes = path.to_bytes();
        let length = bytes.len().min(PATH_MAX - 1);
        copy[..length].copy_from_slice(&bytes[..length]);
        Self { refusal, path: copy }
    }

    fn errno(errno: Errno, path: &CStr) -> Self {
        Self::of(Refusal::new(errno, What::Unreadable), path)
    }

    /// The file's path.
    pub fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.path).unwrap_or(c"")
    }

    /// No format took the file.
    pub fn is_unknown_format(&self) -> bool {
        self.refusal.errno == Errno::NOEXEC
            && matches!(self.refusal.what, What::UnknownFormat | What::Empty | What::Machine(_))
    }
}

/// What a file was replaced by on the way to a program.
pub enum Step<'a> {
    /// A `#!` line.
    Script(&'a Script),
    /// A binfmt_misc entry: its interpreter, and whether the first argument is kept.
    Misc {
        /// The program that runs the file.
        interpreter: &'a CStr,
        /// `P`: the file's own first argument is passed on as the third.
        keeps_argv0: bool,
    },
}

/// Follows `file`, known as `path`, to a program. `step` hears of each replacement with the path
/// that the replacement gets as its argument. `file` is closed when it is not the program.
pub fn resolve(
    file: i32,
    path: &CStr,
    inaccessible: bool,
    step: &mut dyn FnMut(Step<'_>, &CStr),
) -> Result<Resolved, Failure> {
    let mut fd = file;
    let mut name = [0u8; PATH_MAX];
    let length = path.to_bytes().len().min(PATH_MAX - 1);
    name[..length].copy_from_slice(&path.to_bytes()[..length]);
    let mut nesting = Nesting::default();
    let mut execfd = None;
    loop {
        let current = CStr::from_bytes_until_nul(&name).unwrap_or(c"");
        match advance(fd, current, inaccessible, &mut nesting, step) {
            Ok(Next::Program(resolved)) => return Ok(Resolved { execfd, ..resolved }),
            Ok(Next::Interpreter { file: next, name: next_name, opens }) => {
                // One file is passed on, the first (`have_execfd`, load_misc_binary).
                if opens && execfd.is_none() {
                    execfd = Some(fd);
                } else {
                    sys::close(fd);
                }
                fd = next;
                name = next_name;
            }
            Err(failure) => {
                sys::close(fd);
                if let Some(kept) = execfd {
                    sys::close(kept);
                }
                return Err(failure);
            }
        }
    }
}

#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one step, on the stack; nothing here may allocate"
)]
enum Next {
    Program(Resolved),
    Interpreter { file: i32, name: [u8; PATH_MAX], opens: bool },
}

fn advance(
    fd: i32,
    path: &CStr,
    inaccessible: bool,
    nesting: &mut Nesting,
    step: &mut dyn FnMut(Step<'_>, &CStr),
) -> Result<Next, Failure> {
    let blame = |refusal| Failure::of(refusal, path);
    nesting.enter().map_err(blame)?;
    let source = Fd(fd);
    let head = Head::read(&source).map_err(blame)?;
    let mut buffer = [0; PATH_MAX];
    if let Some(entry) = misc::entry_for(&head, path, &mut buffer) {
        if inaccessible {
            return Err(blame(Script::INACCESSIBLE));
        }
        step(Step::Misc { interpreter: entry.interpreter, keeps_argv0: entry.keeps_argv0 }, path);
        return open_interpreter(entry.interpreter, entry.opens);
    }
    match head.format() {
        Format::Script => {
            let script = Script::parse(&head).map_err(blame)?;
            if inaccessible {
                return Err(blame(Script::INACCESSIBLE));
            }
            step(Step::Script(&script), path);
            open_interpreter(script.interp(), false)
        }
        Format::Elf => program(fd, path, &head).map(Next::Program),
        Format::Other => Err(blame(head.unknown())),
    }
}

fn open_interpreter(path: &CStr, opens: bool) -> Result<Next, Failure> {
    let fd = open_executable(path).map_err(|errno| Failure::errno(errno, path))?;
    let mut name = [0; PATH_MAX];
    let bytes = path.to_bytes();
    let Some(place) = name.get_mut(..bytes.len()) else {
        sys::close(fd);
        return Err(Failure::errno(Errno::NAMETOOLONG, path));
    };
    place.copy_from_slice(bytes);
    Ok(Next::Interpreter { file: fd, name, opens })
}

fn program(fd: i32, path: &CStr, head: &Head) -> Result<Resolved, Failure> {
    let blame = |refusal| Failure::of(refusal, path);
    let source = Fd(fd);
    let elf = Elf::parse(&source, head).map_err(blame)?;
    let limits = Limits::new(super::page_size() as u64);
    let mut buffer = [0; PATH_MAX];
    let Some(name) = elf.interp_path(&source, &mut buffer).map_err(blame)? else {
        elf.check_property(&source).map_err(blame)?;
        elf.check_load(&source, &limits).map_err(blame)?;
        return Ok(Resolved { program: fd, elf, interp: None, execfd: None });
    };
    let interp = open_executable(name).map_err(|errno| Failure::errno(errno, name))?;
    let read = Elf::read_interp(&Fd(interp)).and_then(|headers| {
        elf.check_load(&source, &limits)?;
        headers.check_load_interp(&Fd(interp), &limits)?;
        Ok(headers)
    });
    match read {
        Ok(headers) => {
            Ok(Resolved { program: fd, elf, interp: Some((interp, headers)), execfd: None })
        }
        Err(refusal) => {
            sys::close(interp);
            Err(Failure::of(refusal, name))
        }
    }
}

/// Opens a file for execution (`do_open_execat`, fs/exec.c): it must be a regular file that may be
/// executed; vload needs to read it besides.
pub fn open_executable(path: &CStr) -> sys::Result<i32> {
    // Asked first: to open a pipe or a device can take forever, or do something.
    super::check::may_execute(path)?;
    crate::view::open_own(sys::CWD, path, O_RDONLY)
}
