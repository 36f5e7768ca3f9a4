//! `execve(2)` and `execveat(2)`: vload is executed again, by descriptor, with the target as its
//! argument. What can fail is found out before the point of no return, and answered as the kernel
//! would.

use core::ffi::CStr;

use super::check::{self, Found};
use super::resumed::{OPTIONS, PRIVATE_ARGUMENTS, Resumed};
use super::spill;
use super::traced;
use crate::abi::Entry;
use crate::arch::{self, ABORTED};
use crate::layer::Call;
use crate::log::Line;
use crate::memory::{User, read_words};
use crate::seccomp;
use crate::shown::Quoted;
use crate::signal;
use crate::sys::{self, Errno, Result};
use crate::view;
use crate::watch;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};

/// Longest path with its NUL (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;
/// Words of the argument vector that fit on the resident's stack; longer ones take a mapping.
const SHORT: usize = 512;

/// What the target asked for.
#[derive(Clone, Copy)]
pub struct ExecRequest {
    /// Where a relative path starts, or the file itself with `AT_EMPTY_PATH`.
    pub dirfd: i32,
    /// Address of the path.
    pub path: usize,
    /// Address of the argument vector; 0 is an empty one.
    pub argv: usize,
    /// Address of the environment vector; 0 is an empty one.
    pub envp: usize,
    /// `AT_EMPTY_PATH`, `AT_SYMLINK_NOFOLLOW`, `AT_EXECVE_CHECK`.
    pub flags: usize,
}

/// The call. Comes back only when it fails.
pub fn exec(call: &mut Call<'_>, request: ExecRequest) -> isize {
    match attempt(call, request) {
        Ok(result) => result,
        Err(error) => sys::raw(Err(error)),
    }
}

fn attempt(call: &mut Call<'_>, request: ExecRequest) -> Result<isize> {
    let mut path = [0u8; PATH_MAX];
    let path = User::<u8>::new(request.path).string(&mut path)?;
    if request.flags & check::AT_EXECVE_CHECK != 0 {
        // The program only wants to know.
        return Ok(call.pass());
    }
    let own = call.descriptors();
    if own.contains(request.dirfd) {
        return Err(Errno::BADF);
    }
    // A link that is meant itself cannot be executed (`do_open_execat`, fs/exec.c).
    let follows = !path.is_empty() && request.flags & AT_SYMLINK_NOFOLLOW as usize == 0;
    let program = follows.then(|| view::behind(call, request.dirfd, path.to_bytes())).flatten();
    let file = program.as_ref().map_or(path, view::Replacement::path);
    if traced::is_left(call.block) {
        return Ok(traced::execute(call, request.dirfd, file, request.flags));
    }
    if crate::adopt::is_adopted() && own.exe.get() < 0 {
        // The process was adopted without the program `vload` at hand.
        return Ok(native(call, file));
    }
    let found = check::program(&request, path, file)?;
    match found {
        Found::Native => Ok(native(call, file)),
        Found::File { fd, inaccessible } => {
            // Where a filter of the target's forbids to hand it on, too, the next vload opens the path, and must find it there.
            let is_kept = fd >= 0 && sys::set_close_on_exec(fd, false).is_ok();
            let path = if is_kept { path } else { file };
            if !is_kept && program.as_ref().is_some_and(view::Replacement::ends_with_exec) {
                if fd >= 0 {
                    sys::close(fd);
                }
                return Err(Errno::MFILE);
            }
            let handed_on = if is_kept { fd } else { -1 };
            let result = resume(call, &request, path, handed_on, inaccessible);
            if fd >= 0 {
                sys::close(fd);
            }
            result
        }
    }
}

/// Executes the program without vload: `--plain`, or a format that only the kernel knows.
fn native(call: &mut Call<'_>, path: &CStr) -> isize {
    crate::log!(Warn, "{}: not covered: executed without vload", Quoted(path));
    traced::mark(call.descriptors(), true);
    let result = as_it_came(call, path);
    traced::mark(call.descriptors(), false);
    result
}

/// Makes the call with `path`, and else as it came. What vload has changed of the process's signals is what the
/// target believes of them meanwhile.
pub fn as_it_came(call: &mut Call<'_>, path: &CStr) -> isize {
    let at = usize::from(call.entry == Entry::Native && call.number == nr::__NR_execveat as usize);
    let given = call.args[at];
    // An `int $0x80` has no room for an address of ours: its path stays as it came, too.
    if call.entry != Entry::Compat {
        call.args[at] = path.as_ptr() as usize;
    }
    watch::leave(call.block);
    signal::hand_on(call.block, true);
    let result = call.pass();
    signal::hand_on(call.block, false);
    call.args[at] = given;
    result
}

/// Executes vload again.
fn resume(
    call: &mut Call<'_>,
    request: &ExecRequest,
    path: &CStr,
    program: i32,
    inaccessible: bool,
) -> Result<isize> {
    let own = call.descriptors();
    let mut name = [0u8; PATH_MAX];
    let execfn = check::execfn(request, path, &mut name)?;
    let mut resumed = Resumed {
        own: own.handed_on().map(crate::view::Slot::get),
        program,
        inaccessible,
        spilled: -1,
        many: crate::layer::many(),
        rings: crate::layer::ring::handed_on(),
        view: crate::session::view().0,
        arguments: core::array::from_fn(|index| call.args[index] as u64),
        number: call.number as u32,
    };
    let count = count_words(request.argv)?;
    // The kernel gives a program without arguments an empty argv[0] (do_execveat_common, fs/exec.c).
    let words = PRIVATE_ARGUMENTS + count.max(1) + 1;
    let mut short = [0usize; SHORT];
    let mut mapping = None;
    let vector = if words <= SHORT {
        &mut short[..words]
    } else {
        let length = words * size_of::<usize>();
        let start = sys::map_anonymous(length)?;
        call.block.exec_scratch[0] = (start, length);
        mapping = Some((start, length));
        // SAFETY: the mapping is fresh, aligned and long enough.
        unsafe { core::slice::from_raw_parts_mut(start as *mut usize, words) }
    };
    let result = (|| {
        if count > 0 {
            read_words(request.argv, &mut vector[PRIVATE_ARGUMENTS..PRIVATE_ARGUMENTS + count])?;
        } else {
            vector[PRIVATE_ARGUMENTS] = c"".as_ptr() as usize;
        }
        let envp = request.envp;
        let result = run(call, &resumed, execfn, vector, envp);
        if result != sys::raw(Err(Errno::TOOBIG)) {
            return Ok(result);
        }
        // It fits, as the kernel said before (`check`), but not with our arguments beside it.
        resumed.spilled = spill::write(&vector[PRIVATE_ARGUMENTS..words - 1], envp)?;
        let mut few = [0usize; PRIVATE_ARGUMENTS + 1];
        let result = run(call, &resumed, execfn, &mut few, 0);
        sys::close(resumed.spilled);
        Ok(result)
    })();
    if let Some((start, length)) = mapping {
        call.block.exec_scratch[0] = (0, 0);
        // SAFETY: `vector` is not used any more.
        unsafe { sys::munmap(start, length) };
    }
    result
}

/// The last step: does not come back when it succeeds.
fn run(
    call: &mut Call<'_>,
    resumed: &Resumed,
    execfn: &CStr,
    vector: &mut [usize],
    envp: usize,
) -> isize {
    let mut numbers = Line::new();
    resumed.write(&mut numbers);
    vector[0] = c"vload".as_ptr() as usize;
    vector[1] = numbers.bytes().as_ptr() as usize;
    vector[2] = OPTIONS.bytes().as_ptr() as usize;
    vector[3] = execfn.as_ptr() as usize;
    vector[4] = seccomp::text(call.block).as_ptr() as usize;
    for (word, shown) in vector[5..].iter_mut().zip(call.block.exec_as) {
        *word = if shown == 0 { c"".as_ptr() as usize } else { shown };
    }
    let exe = call.descriptors().exe.get();
    let mut name = [0; PATH_MAX];
    let (dirfd, path, flags) = match exe {
        0.. => (exe, c"", AT_EMPTY_PATH as usize),
        _ => (sys::CWD, own_name(&mut name), 0),
    };
    watch::report();
    traced::unmark(call.descriptors());
    watch::leave(call.block);
    signal::hand_on(call.block, true);
    let vectors = (vector.as_ptr() as usize, envp);
    let result = execute(call, dirfd, path, vectors, flags);
    signal::hand_on(call.block, false);
    result
}

/// What vload's file is called where there is no descriptor for it.
fn own_name(buffer: &mut [u8; PATH_MAX]) -> &CStr {
    let noted = OPTIONS.values("exe").last().unwrap_or(b"/proc/self/exe");
    let length = noted.len().min(PATH_MAX - 1);
    buffer[..length].copy_from_slice(&noted[..length]);
    CStr::from_bytes_until_nul(buffer).unwrap_or(c"")
}

/// `execveat(2)`, or `execve(2)` where it is missing (qemu-user before 8), a filter forbids it, or another process is asked
/// about the target's `execve`, and `execve` can say the same.
fn execute(
    call: &Call<'_>,
    dirfd: i32,
    path: &CStr,
    (argv, envp): (usize, usize),
    flags: usize,
) -> isize {
    let args = [dirfd as usize, path.as_ptr() as usize, argv, envp, flags, 0];
    let is_asked = seccomp::asks(call);
    let is_execve = call.number == nr::__NR_execve as usize;
    let is_made = match is_asked {
        true => !is_execve,
        false => !seccomp::refuses(nr::__NR_execveat as usize, &args),
    };
    let result = if !is_made {
        sys::raw(Err(Errno::NOSYS))
    } else {
        // SAFETY: the vectors are NULL-terminated; their strings are ours or the target's, and the
        // kernel checks the target's.
        unsafe { arch::forward(nr::__NR_execveat as usize, &args, call.block) }
    };
    if result != sys::raw(Err(Errno::NOSYS)) {
        return result;
    }
    let mut line = Line::new();
    let Some(path) = sys::path_of_exec(dirfd, path, flags, &mut line) else { return result };
    let args = [path.as_ptr() as usize, argv, envp, 0, 0, 0];
    // SAFETY: as above.
    unsafe { arch::forward(nr::__NR_execve as usize, &args, call.block) }
}

/// Number of words before the NULL of the vector at `address`.
pub fn count_words(address: usize) -> Result<usize> {
    if address == 0 {
        return Ok(0);
    }
    const CHUNK: usize = 64;
    /// `MAX_ARG_STRINGS` (linux/binfmts.h).
    const MOST: usize = 0x7fff_ffff;
    let size = size_of::<usize>();
    let mut count = 0;
    while count < MOST {
        let at = address.checked_add(count * size).ok_or(Errno::FAULT)?;
        // Not past the page: what lies behind the vector may not be there.
        let here = ((4096 - at % 4096) / size).clamp(1, CHUNK);
        let mut words = [0usize; CHUNK];
        read_words(at, &mut words[..here])?;
        match words[..here].iter().position(|&word| word == 0) {
            Some(end) => return Ok(count + end),
            None => count += here,
        }
    }
    Err(Errno::TOOBIG)
}

/// `execve(2)` by `int $0x80`: the vectors hold 32-bit pointers.
pub fn exec_compat(call: &mut Call<'_>, path: usize, argv: usize, envp: usize) -> isize {
    let mut mappings = [(0, 0); 2];
    let mut widened = [0usize; 2];
    for (index, vector) in [argv, envp].into_iter().enumerate() {
        match widen(vector) {
            Ok((start, length)) => {
                widened[index] = start;
                mappings[index] = (start, length);
            }
            Err(error) => return sys::raw(Err(error)),
        }
    }
    let request =
        ExecRequest { dirfd: sys::CWD, path, argv: widened[0], envp: widened[1], flags: 0 };
    let result = exec(call, request);
    for (start, length) in mappings {
        if length != 0 && result != ABORTED {
            // SAFETY: the exec failed and nothing else knows the vectors.
            unsafe { sys::munmap(start, length) };
        }
    }
    result
}

/// A copy of a vector of 32-bit pointers with words of ours.
fn widen(address: usize) -> Result<(usize, usize)> {
    if address == 0 {
        return Ok((0, 0));
    }
    let mut length = 4096;
    let mut start = sys::map_anonymous(length)?;
    let mut count = 0;
    loop {
        let pointer = User::<u32>::new(address + count * 4).read()?;
        // SAFETY: the mapping is ours and `count` words of it are used.
        unsafe { ((start + count * size_of::<usize>()) as *mut usize).write(pointer as usize) };
        count += 1;
        if pointer == 0 {
            return Ok((start, length));
        }
        if (count + 1) * size_of::<usize>() > length {
            // SAFETY: ours; the old address is not used again.
            start = unsafe { sys::mremap(start, length, length * 2) }?;
            length *= 2;
        }
    }
}
