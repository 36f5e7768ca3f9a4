//! Programs in a virtual tree: what the kernel executes is a file without a name that has their content.

use linux_raw_sys::general as nr;
use vload_module::{Errno, Result};

use super::asked::{Asked, From, Spot, Where};
use super::attributes::Found;
use super::{Answer, only, real};
use crate::descriptor::{self, Held, Subject, Temporary};
use crate::kernel;
use crate::path::permission::EXECUTE;
use crate::path::{Final, How, LONGEST, Rest, Text};
use crate::vload;

/// How many interpreters of interpreters there may be (`exec_binprm`, fs/exec.c).
const MOST_SCRIPTS: usize = 5;
/// How much of a file is looked at (`BINPRM_BUF_SIZE`).
const HEAD: usize = 256;

/// `AT_EXECVE_CHECK` (linux/fcntl.h, since 6.14).
const AT_EXECVE_CHECK: u32 = 0x10000;
/// The flags of `execveat(2)`.
const FLAGS: u32 = nr::AT_EMPTY_PATH | nr::AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK;

/// What is executed.
enum Program {
    /// A descriptor of a file's content.
    Content(Temporary),
    /// A script: what its first line says is in the buffer.
    Script,
}

/// Memory for the arguments of an interpreter; the kernel takes it with the program.
struct Arguments {
    start: usize,
    bytes: usize,
}

impl Drop for Arguments {
    fn drop(&mut self) {
        // SAFETY: it was mapped for this.
        let _ = unsafe { kernel::call(nr::__NR_munmap, [self.start, self.bytes]) };
    }
}

/// `execve`, `execveat`.
#[inline(never)]
pub fn execute(asked: &mut Asked<'_>) -> Result<Answer> {
    let mut path = Text::root();
    let how = How::to(asked.end());
    let flags = asked.at_flags();
    let opened = match asked.locate(0, how, &mut path)? {
        Where::Kernel(_) => return Ok(Answer::System),
        Where::Real => {
            asked.point(0, &path);
            return Ok(real(asked));
        }
        Where::Claimed(spot) => {
            only(flags, FLAGS)?;
            if spot.place.slash {
                return Err(Errno::ACCES);
            }
            open(&spot, &path)?
        }
        Where::Open(held) => {
            only(flags, FLAGS)?;
            may_execute(&held)?;
            held.path(&mut path);
            Opened::Virtual(held, None)
        }
    };
    // Only whether it may be executed is asked, whatever it is (`bprm_execve`, fs/exec.c).
    if flags & AT_EXECVE_CHECK != 0 {
        opened.close();
        return Ok(Answer::Here(0));
    }
    let at = asked.path(0).ok_or(Errno::INVAL)?;
    let [argv, envp] = [asked.call.arguments[at + 1], asked.call.arguments[at + 2]];
    let mut line = [0; HEAD];
    match opened.program(&mut line)? {
        Program::Content(content) => Ok(start(asked, &content, argv, envp)),
        Program::Script => script(asked, &path, &line, argv, envp),
    }
}

/// Has the system execute what is behind a descriptor. If it comes back it has failed.
fn start(asked: &mut Asked<'_>, content: &Temporary, argv: usize, envp: usize) -> Answer {
    asked.call.number = nr::__NR_execveat as usize;
    asked.call.arguments =
        [content.fd() as usize, c"".as_ptr() as usize, argv, envp, nr::AT_EMPTY_PATH as usize, 0];
    Answer::Here(vload::next(asked.call) as usize)
}

/// A file that was opened to be executed.
enum Opened {
    /// One of a layer's, and the descriptor that was made for this; none when it is the program's own.
    Virtual(Held, Option<Temporary>),
    /// A real one, which a module has opened.
    Real(Temporary),
}

/// Whether a file is one that may be executed (`do_open_execat`, fs/exec.c).
fn may_execute(subject: &impl Subject) -> Result<()> {
    let known = subject.stat()?;
    match known.mode & nr::S_IFMT {
        nr::S_IFREG => subject.permit(&known, EXECUTE),
        nr::S_IFLNK => Err(Errno::LOOP),
        _ => Err(Errno::ACCES),
    }
}

/// Opens a program, as far as it may be executed.
fn open(spot: &Spot, path: &Text) -> Result<Opened> {
    may_execute(&Found { spot, path })?;
    let target = &spot.target;
    // Whether it may be read does not matter: it is the module that gives its content.
    let flags = nr::O_RDONLY | nr::O_CLOEXEC;
    let (node, named) = (target.node(path), target.named(path));
    let opened = descriptor::open_for_now(&target.service, &node, named, flags, 0)?;
    Ok(match descriptor::find(opened.fd()) {
        Some(held) => Opened::Virtual(held?, Some(opened)),
        None => Opened::Real(opened),
    })
}

impl Opened {
    /// It is not needed any more.
    fn close(self) {
        if let Opened::Virtual(held, Some(opened)) = self {
            drop(opened);
            descriptor::left(held.number);
        }
    }

    /// What it is: its content for the kernel, or a script, whose first line goes to `line`.
    fn program(self, line: &mut [u8; HEAD]) -> Result<Program> {
        match self {
            Opened::Real(content) => {
                let arguments =
                    [content.fd() as usize, line.as_mut_ptr() as usize, line.len(), 0, 0, 0];
                // SAFETY: the room is as long as it says.
                let length = unsafe { vload::system(nr::__NR_pread64, arguments) };
                match length {
                    Ok(length) if line[..length].starts_with(b"#!") => Ok(Program::Script),
                    // What cannot be read is for the kernel to judge.
                    _ => Ok(Program::Content(content)),
                }
            }
            Opened::Virtual(held, opened) => {
                let program = read(&held, &mut line[..], 0).and_then(|length| {
                    match line[..length].starts_with(b"#!") {
                        true => Ok(Program::Script),
                        false => descriptor::image(&held, 0, u64::MAX).map(Program::Content),
                    }
                });
                Opened::Virtual(held, opened).close();
                program
            }
        }
    }
}

/// Reads from a place on, as much as there is room for.
fn read(held: &Held, to: &mut [u8], from: i64) -> Result<usize> {
    let (at, room) = (to.as_mut_ptr(), to.len());
    let length = held.ask(Errno::ACCES, |operations, file| {
        // SAFETY: the file is the one that is asked about, and the room as long as it says.
        Some(unsafe { (operations.read?)(file, at.cast(), room, from) })
    })?;
    Ok((length as usize).min(room))
}

/// The interpreter and its one argument, as the first line of a script has them (`load_script`, fs/binfmt_script.c).
fn interpreter(line: &[u8]) -> Result<(&[u8], Option<&[u8]>)> {
    let not_executable = Errno(linux_raw_sys::errno::ENOEXEC as i32);
    let line = line.strip_prefix(b"#!").ok_or(not_executable)?;
    let end = line.iter().position(|&byte| byte == b'\n' || byte == 0).unwrap_or(line.len());
    let line = line[..end].trim_ascii_start();
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let name = line.iter().position(blank).unwrap_or(line.len());
    // A name that the head does not end in is cut.
    if name == 0 || name == HEAD - 2 {
        return Err(not_executable);
    }
    let argument = line[name..].trim_ascii();
    Ok((&line[..name], Some(argument).filter(|argument| !argument.is_empty())))
}

/// Executes a script's interpreter, which finds the script by its path.
#[inline(never)]
fn script(
    asked: &mut Asked<'_>,
    path: &Text,
    line: &[u8; HEAD],
    argv: usize,
    envp: usize,
) -> Result<Answer> {
    let mut line = *line;
    let mut vector = Vector::new(path, argv)?;
    for _ in 0..MOST_SCRIPTS {
        let (name, argument) = interpreter(&line)?;
        if let Some(argument) = argument {
            vector.before(argument)?;
        }
        let interp = vector.before(name)?;
        let mut place = Text::root();
        let mut way = Rest::none();
        way.set(name)?;
        let how = How::to(Final::Follow);
        let from = From { limit: asked.limit, directory: nr::AT_FDCWD, may_be_empty: false, how };
        let found = from.locate(&mut way, &mut place)?;
        let opened = match found {
            Where::Claimed(spot) => open(&spot, &place)?,
            Where::Kernel(_) => return Ok(run(asked, interp, &vector, envp)),
            Where::Real => return Ok(run(asked, place.c_str().as_ptr() as usize, &vector, envp)),
            Where::Open(_) => return Err(Errno::NOENT),
        };
        match opened.program(&mut line)? {
            Program::Content(content) => return Ok(start(asked, &content, vector.start(), envp)),
            Program::Script => {}
        }
    }
    Err(Errno::LOOP)
}

fn run(asked: &mut Asked<'_>, path: usize, vector: &Vector, envp: usize) -> Answer {
    asked.call.number = nr::__NR_execve as usize;
    asked.call.arguments = [path, vector.start(), envp, 0, 0, 0];
    Answer::Here(vload::next(asked.call) as usize)
}

/// The arguments of an interpreter: pointers that grow at the front, and the strings that were added, behind them.
struct Vector {
    memory: Arguments,
    /// The first pointer.
    first: usize,
    /// Where the next string goes.
    free: usize,
}

impl Vector {
    /// The script, and what it was started with but for its own name.
    fn new(path: &Text, argv: usize) -> Result<Self> {
        const WORD: usize = size_of::<usize>();
        let mut count = 0;
        while argv != 0 && vload::get::<usize>(argv + count * WORD)? != 0 {
            count += 1;
        }
        let added = 2 * MOST_SCRIPTS + 1;
        let pointers = (count + added + 1) * WORD;
        let bytes = pointers + LONGEST + MOST_SCRIPTS * 2 * HEAD;
        let protection = (nr::PROT_READ | nr::PROT_WRITE) as usize;
        let flags = (nr::MAP_PRIVATE | nr::MAP_ANONYMOUS) as usize;
        let arguments = [0, bytes, protection, flags, usize::MAX, 0];
        // SAFETY: new memory, which nobody else uses.
        let start = unsafe { kernel::call(MMAP, arguments) }?;
        let mut vector = Self {
            memory: Arguments { start, bytes },
            first: start + added * WORD,
            free: start + pointers,
        };
        for number in 1..count {
            let pointer = vload::get::<usize>(argv + number * WORD)?;
            vector.set(vector.first + (number - 1) * WORD, pointer);
        }
        vector.before(path.bytes())?;
        Ok(vector)
    }

    fn start(&self) -> usize {
        self.first
    }

    fn set(&self, at: usize, value: usize) {
        // SAFETY: `at` lies in the part of the memory that has pointers.
        unsafe { (at as *mut usize).write(value) };
    }

    /// Adds an argument at the front: the address of its string.
    fn before(&mut self, text: &[u8]) -> Result<usize> {
        let end = self.free + text.len() + 1;
        if end > self.memory.start + self.memory.bytes {
            return Err(Errno::NOMEM);
        }
        let at = self.free;
        // SAFETY: the range was found to lie in the memory, and a zero follows what was never written.
        unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), at as *mut u8, text.len()) };
        self.free = end;
        self.first -= size_of::<usize>();
        self.set(self.first, at);
        Ok(at)
    }
}

#[cfg(target_pointer_width = "64")]
const MMAP: u32 = nr::__NR_mmap;
#[cfg(target_pointer_width = "32")]
const MMAP: u32 = nr::__NR_mmap2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_script() {
        let line = |text: &str| {
            let mut line = [0; HEAD];
            line[..text.len()].copy_from_slice(text.as_bytes());
            interpreter(&line).map(|(name, argument)| (name.to_vec(), argument.map(<[u8]>::to_vec)))
        };
        assert_eq!(line("#!/bin/sh\n"), Ok((b"/bin/sh".to_vec(), None)));
        assert_eq!(
            line("#! /bin/sh -e x \nrest"),
            Ok((b"/bin/sh".to_vec(), Some(b"-e x".to_vec())))
        );
        assert!(line("#!\n").is_err());
        assert!(line("x").is_err());
    }
}
