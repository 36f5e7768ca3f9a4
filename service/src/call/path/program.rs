//! Programs in a virtual tree: what the kernel executes is a file without a name that has their content.

use core::ffi::c_char;
use core::ptr;

use abi::Arg;
use linux_raw_sys::general as nr;
use vload_module::abi::service::core_side::vload_execute_as;
use vload_module::{Errno, Result};

use super::asked::{Asked, From, Spot, Where};
use super::attributes::Found;
use super::{Answer, only, real};
use crate::descriptor::{self, Held, Subject, Temporary};
use crate::kernel;
use crate::path::permission::EXECUTE;
use crate::path::text::decimal;
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

/// Memory for what an exec is given besides the program's own: strings, and the arguments of an interpreter. The kernel takes it
/// with the program.
struct Memory {
    start: usize,
    bytes: usize,
    /// Where the next string goes.
    free: usize,
}

/// Room for a path as the kernel would have it (see [`Memory::name`]), and for a canonical one.
const NAMES: usize = 2 * LONGEST + 32;

/// How what is executed next is shown, until that has failed.
struct Shown;

impl Memory {
    fn new(bytes: usize) -> Result<Self> {
        let protection = (nr::PROT_READ | nr::PROT_WRITE) as usize;
        let flags = (nr::MAP_PRIVATE | nr::MAP_ANONYMOUS) as usize;
        // SAFETY: new memory, which nobody else uses.
        let start = unsafe { kernel::call(MMAP, [0, bytes, protection, flags, usize::MAX, 0]) }?;
        Ok(Self { start, bytes, free: start })
    }

    /// The part that has no strings yet.
    fn rest(&mut self) -> &mut [u8] {
        let length = self.start + self.bytes - self.free;
        // SAFETY: it is part of the memory, which is this process's alone, and was mapped filled with zeros.
        unsafe { core::slice::from_raw_parts_mut(self.free as *mut u8, length) }
    }

    /// Adds a string: its address.
    fn add(&mut self, text: &[u8]) -> Result<usize> {
        let at = self.free;
        let room = self.rest().get_mut(..text.len() + 1).ok_or(Errno::NOMEM)?;
        room[..text.len()].copy_from_slice(text);
        room[text.len()] = 0;
        self.free += text.len() + 1;
        Ok(at)
    }

    /// Adds the path by which the kernel knows the program that is executed: that of the call, or one by way of its descriptor
    /// (`alloc_bprm`, fs/exec.c).
    fn name(&mut self, asked: &Asked<'_>) -> Result<usize> {
        let (at, directory) = path_of(asked)?;
        let given = asked.call.arguments[at];
        let mut length = vload::get_string(&mut self.rest()[..LONGEST], given)?;
        let name = self.free;
        if directory == nr::AT_FDCWD || self.rest()[0] == b'/' {
            self.free += length + 1;
            return Ok(name);
        }
        let mut digits = [0; 10];
        let digits = decimal(directory as u32, &mut digits);
        let slash: &[u8] = if length == 0 { b"" } else { b"/" };
        for part in [slash, digits, b"/dev/fd/"] {
            let rest = self.rest();
            rest.copy_within(..length, part.len());
            rest[..part.len()].copy_from_slice(part);
            length += part.len();
        }
        self.rest()[length] = 0;
        self.free += length + 1;
        Ok(name)
    }

    /// What is executed next is shown by these.
    fn show(&self, execfn: usize, place: usize) -> Shown {
        let [execfn, place] = [execfn, place].map(|at| at as *const c_char);
        // SAFETY: two strings of the memory, or null; it is there until the exec is over.
        unsafe { vload_execute_as(execfn, place, self.start, self.bytes) };
        Shown
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was mapped for this.
        let _ = unsafe { kernel::call(nr::__NR_munmap, [self.start, self.bytes]) };
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // SAFETY: it takes back what was said.
        unsafe { vload_execute_as(ptr::null(), ptr::null(), 0, 0) };
    }
}

/// The index of the call's path, and the directory where it begins.
fn path_of(asked: &Asked<'_>) -> Result<(usize, i32)> {
    let at = asked.path(0).ok_or(Errno::INVAL)?;
    Ok(match asked.described.args()[at] {
        Arg::PathAt(directory) => (at, asked.call.arguments[usize::from(directory)] as i32),
        _ => (at, nr::AT_FDCWD),
    })
}

/// `execve`, `execveat`.
#[inline(never)]
pub fn execute(asked: &mut Asked<'_>) -> Result<Answer> {
    let mut path = Text::root();
    let how = How::to(asked.end());
    let flags = asked.at_flags();
    let mut is_placed = true;
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
            is_placed = !held.path(&mut path).gone;
            match held.usable() {
                Ok(()) => Opened::unwritten(held, None)?,
                Err(_) => Opened::of(held.open_for_now()?)?,
            }
        }
    };
    // Only whether it may be executed is asked, whatever it is (`bprm_execve`, fs/exec.c).
    if flags & AT_EXECVE_CHECK != 0 {
        opened.close();
        return Ok(Answer::Here(0));
    }
    is_placed &= matches!(opened, Opened::Virtual(..));
    let (at, directory) = path_of(asked)?;
    let [argv, envp] = [asked.call.arguments[at + 1], asked.call.arguments[at + 2]];
    let mut line = [0; HEAD];
    match opened.program(&mut line)? {
        Program::Content(content) => {
            let mut memory = Memory::new(NAMES)?;
            let execfn = memory.name(asked)?;
            let place = if is_placed { memory.add(path.bytes())? } else { 0 };
            let _shown = memory.show(execfn, place);
            Ok(start(asked, &content, argv, envp))
        }
        Program::Script => {
            let mut vector = Vector::new(argv)?;
            let execfn = vector.memory.name(asked)?;
            // It is found by a descriptor that the exec closes (`load_script`, fs/binfmt_script.c).
            let is_absolute = vload::get::<u8>(asked.call.arguments[at])? == b'/';
            if !is_absolute
                && directory != nr::AT_FDCWD
                && kernel::fcntl(directory, nr::F_GETFD, 0)? as u32 & nr::FD_CLOEXEC != 0
            {
                return Err(Errno::NOENT);
            }
            vector.before(execfn);
            script(asked, &line, vector, execfn, envp)
        }
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
    Opened::of(descriptor::open_for_now(&target.service, &node, named, flags, 0)?)
}

impl Opened {
    fn of(opened: Temporary) -> Result<Self> {
        Ok(match descriptor::find(opened.fd()) {
            Some(held) => Opened::unwritten(held?, Some(opened))?,
            None => Opened::Real(opened),
        })
    }

    /// A layer's own, which nobody may write to (`exe_file_deny_write_access`, linux/fs.h).
    fn unwritten(held: Held, opened: Option<Temporary>) -> Result<Self> {
        let opened = Opened::Virtual(held, opened);
        if !held.is_written() {
            return Ok(opened);
        }
        opened.close();
        Err(Errno::TXTBSY)
    }

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
                    Ok(length) if line[..length].starts_with(b"#!") => {
                        let flags = (nr::AT_EMPTY_PATH | AT_EXECVE_CHECK) as usize;
                        let path = c"".as_ptr() as usize;
                        let arguments = [content.fd() as usize, path, 0, 0, flags];
                        // SAFETY: the path ends with a zero, and nothing is executed: who writes to it only the
                        // kernel knows, since Linux 6.14.
                        match unsafe { kernel::call(nr::__NR_execveat, arguments) } {
                            Err(Errno::TXTBSY) => Err(Errno::TXTBSY),
                            _ => Ok(Program::Script),
                        }
                    }
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

/// Executes a script's interpreter, which finds the script by the path that it was executed by, and is shown by that
/// too.
#[inline(never)]
fn script(
    asked: &mut Asked<'_>,
    line: &[u8; HEAD],
    mut vector: Vector,
    execfn: usize,
    envp: usize,
) -> Result<Answer> {
    let mut line = *line;
    for _ in 0..MOST_SCRIPTS {
        let (name, argument) = interpreter(&line)?;
        if let Some(argument) = argument {
            vector.before_text(argument)?;
        }
        let interp = vector.before_text(name)?;
        let mut place = Text::root();
        let mut way = Rest::none();
        way.set(name)?;
        let how = How::to(Final::Follow);
        let from = From { limit: asked.limit, directory: nr::AT_FDCWD, may_be_empty: false, how };
        let found = from.locate(&mut way, &mut place)?;
        let opened = match found {
            Where::Claimed(spot) => open(&spot, &place)?,
            Where::Kernel(_) => return Ok(vector.run(asked, interp, execfn, envp)),
            Where::Real => {
                let place = place.c_str().as_ptr() as usize;
                return Ok(vector.run(asked, place, execfn, envp));
            }
            Where::Open(_) => return Err(Errno::NOENT),
        };
        let is_placed = matches!(opened, Opened::Virtual(..));
        match opened.program(&mut line)? {
            Program::Content(content) => {
                let place = if is_placed { vector.memory.add(place.bytes())? } else { 0 };
                let _shown = vector.memory.show(execfn, place);
                return Ok(start(asked, &content, vector.first, envp));
            }
            Program::Script => {}
        }
    }
    Err(Errno::LOOP)
}

/// The arguments of an interpreter: pointers that grow at the front, and the strings that were added, behind them.
struct Vector {
    memory: Memory,
    /// The first pointer.
    first: usize,
}

impl Vector {
    /// What the script was started with but for its own name.
    fn new(argv: usize) -> Result<Self> {
        const WORD: usize = size_of::<usize>();
        let mut count = 0;
        while argv != 0 && vload::get::<usize>(argv + count * WORD)? != 0 {
            count += 1;
        }
        let added = 2 * MOST_SCRIPTS + 1;
        let pointers = (count + added + 1) * WORD;
        let mut memory = Memory::new(pointers + NAMES + MOST_SCRIPTS * 2 * HEAD)?;
        memory.free += pointers;
        let vector = Self { first: memory.start + added * WORD, memory };
        for number in 1..count {
            let pointer = vload::get::<usize>(argv + number * WORD)?;
            vector.set(vector.first + (number - 1) * WORD, pointer);
        }
        Ok(vector)
    }

    fn set(&self, at: usize, value: usize) {
        // SAFETY: `at` lies in the part of the memory that has pointers.
        unsafe { (at as *mut usize).write(value) };
    }

    /// Adds an argument at the front, of which this is the address.
    fn before(&mut self, at: usize) {
        self.first -= size_of::<usize>();
        self.set(self.first, at);
    }

    /// Adds an argument at the front: the address of its string.
    fn before_text(&mut self, text: &[u8]) -> Result<usize> {
        let at = self.memory.add(text)?;
        self.before(at);
        Ok(at)
    }

    /// Has the system execute an interpreter with these.
    fn run(&self, asked: &mut Asked<'_>, path: usize, execfn: usize, envp: usize) -> Answer {
        let _shown = self.memory.show(execfn, 0);
        asked.call.number = nr::__NR_execve as usize;
        asked.call.arguments = [path, self.first, envp, 0, 0, 0];
        Answer::Here(vload::next(asked.call) as usize)
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
