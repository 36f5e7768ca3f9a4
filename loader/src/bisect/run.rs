//! One run of the command.

use alloc::ffi::CString;
use alloc::vec::Vec;

use linux_raw_sys::general as nr;
use linux_raw_sys::general::{O_CLOEXEC, O_RDONLY};
use runtime::arch::KernelAction;
use runtime::digits::decimal;
use runtime::layer::modules;
use runtime::log::Line;
use runtime::process::OPTIONS;
use runtime::trial::{self, Off, Place, Seen};
use runtime::view::OWN;
use runtime::{session, sys};

use super::Ask;
use super::outcome::{Difference, Outcome, Text};
use super::search::Parts;
use crate::doctor::call;
use crate::find;
use crate::message::{NOT_EXECUTABLE, fail};
use crate::summary::{SIGCHLD, WAITED_FOR};
use crate::vectors::{Vectors, string};

const SIGKILL: i32 = 9;
const SECOND: i64 = 1_000_000_000;
/// How long what the command leaves behind may go on, and how long a run may take at least.
const PATIENCE: i64 = 10 * SECOND;

/// What of vload a run has.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// Nothing.
    pub native: bool,
    /// The layers: a bit for each `-m`.
    pub layers: u32,
    /// What it does without at all sites but some.
    pub off: Off,
    /// The sites.
    pub sites: &'a [Seen],
    /// Which of them it does not do without anything at.
    pub is_on: Parts<'a>,
    /// It notes which sites are executed.
    pub records: bool,
    /// The cache on disk.
    pub cache: bool,
    /// The watch.
    pub watch: bool,
}

impl Setup<'_> {
    /// All of vload but layers.
    pub const ALL: Self = Self {
        native: false,
        layers: 0,
        off: Off::Nothing,
        sites: &[],
        is_on: &|_| true,
        records: false,
        cache: false,
        watch: true,
    };
    /// Nothing of it.
    pub const NATIVE: Self = Self { native: true, ..Self::ALL };
}

/// What each `-m` was given.
pub fn layers() -> impl Iterator<Item = &'static [u8]> {
    OPTIONS.values(modules::OPTION)
}

/// Runs the command.
pub struct Runner<'a> {
    vectors: &'a Vectors,
    /// The command.
    pub argv: &'static [usize],
    path: CString,
    stdin: i32,
    /// As vload was started with.
    mask: u64,
    chld: KernelAction,
    /// Nanoseconds that a run may take.
    limit: Option<i64>,
    longest: i64,
    /// How often the command has run.
    pub runs: u32,
    /// The files that were patched.
    pub files: Vec<(Place, Vec<u8>)>,
}

/// What cannot be done without which nothing can be found out.
fn need<T>(what: &str, done: sys::Result<T>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => fail(NOT_EXECUTABLE, format_args!("bisect: {what}: {}", error.text())),
    }
}

/// `setpgid(2)`: a group of its own, to be ended whole.
fn set_group(process: i32) {
    // It can fail only for one that has begun its program, which has done so itself by then.
    let _ = call(nr::__NR_setpgid, [process as usize, process as usize, 0, 0, 0, 0]);
}

impl<'a> Runner<'a> {
    /// Prepares the runs; ends where there is nothing to run.
    pub fn new(vectors: &'a Vectors, ask: &Ask) -> Self {
        let argv = vectors.argv.get(ask.first..).unwrap_or_default();
        let (path, file) = find::program(vectors, argv.first().map_or(c"", |&at| string(at)));
        sys::close(file.unwrap_or_else(|| find::open(&path)));
        // What the command leaves behind becomes ours, and can be ended.
        const PR_SET_CHILD_SUBREAPER: u32 = 36;
        // SAFETY: it changes nothing but whose child an orphan becomes.
        let _ = unsafe { sys::prctl(PR_SET_CHILD_SUBREAPER, [1, 0, 0, 0]) };
        let mut chld = KernelAction::default();
        need("SIGCHLD", sys::signal_action(SIGCHLD, None, Some(&mut chld)));
        need("SIGCHLD", sys::signal_action(SIGCHLD, Some(&KernelAction::default()), None));
        let limit = ask.timeout.map(|seconds| i64::from(seconds) * SECOND);
        Self {
            vectors,
            argv,
            path,
            stdin: need("standard input cannot be kept", input()),
            mask: sys::block_signals(WAITED_FOR),
            chld,
            limit,
            longest: 0,
            runs: 0,
            files: Vec::new(),
        }
    }

    /// From now on a run that takes much longer than those before is one that hangs.
    pub fn set_limit(&mut self) {
        self.limit = self.limit.or(Some(PATIENCE.max(self.longest * 10)));
    }

    /// Runs the command once.
    pub fn run(&mut self, what: &str, setup: &Setup<'_>) -> (Outcome, Vec<Seen>) {
        self.runs += 1;
        report(format_args!("vload: run {}, {what}", self.runs));
        if setup.native {
            report(format_args!("\n"));
        }
        let trial = (!setup.native).then(|| {
            let fd = need("no memory for a session", session::create());
            OWN.session.set(fd);
            need("a session's memory", sys::set_close_on_exec(fd, false));
            let trial = need("no memory for a run", trial::begin(setup.off, setup.records));
            (fd, trial)
        });
        if let Some((_, trial)) = trial {
            for (index, site) in setup.sites.iter().enumerate() {
                if (setup.is_on)(index) {
                    let new = trial.choose(site.place);
                    debug_assert!(new, "sites differ, and are no more than the table has");
                }
            }
        }
        let words = self.words(setup, trial.map(|(fd, _)| fd));
        let outcome = self.execute(&words);
        let Some((fd, trial)) = trial else { return (outcome, Vec::new()) };
        let seen: Vec<Seen> = trial.seen().collect();
        for file in seen.iter().filter(|seen| seen.place.vaddr == Place::FILE) {
            let path = session::members().and_then(|members| members.path_at(file.number));
            if let Some(path) = path
                && !self.files.iter().any(|known| known.0 == file.place)
            {
                self.files.push((file.place, path.into()));
            }
        }
        // SAFETY: what is kept of them was copied.
        unsafe {
            trial::end();
            session::leave();
        }
        sys::close(fd);
        (outcome, seen)
    }

    /// vload's own words for a run.
    fn words(&self, setup: &Setup<'_>, trial: Option<i32>) -> Words {
        let mut words = Words { text: Vec::new(), starts: Vec::new() };
        words.add(&[b"vload"]);
        let mut layer = 0;
        OPTIONS.each(|name, value| {
            if name == modules::OPTION.as_bytes() {
                layer += 1;
                if setup.native || setup.layers >> (layer - 1) & 1 == 0 {
                    return;
                }
            }
            let equals: &[u8] = if value.is_empty() { b"" } else { b"=" };
            words.add(&[b"--", name, equals, value]);
        });
        match trial {
            None => words.add(&[b"--plain=", self.path.to_bytes()]),
            Some(fd) => words.add(&[Line::new().text("--test-trial=").decimal(fd.into()).bytes()]),
        }
        if !setup.cache {
            words.add(&[b"--no-cache"]);
        }
        if !setup.watch {
            words.add(&[b"--watch=never"]);
        }
        words.add(&[b"--"]);
        words
    }

    fn execute(&mut self, words: &Words) -> Outcome {
        let file = || need("no file for the output", session::scratch_file().map(above));
        let (output, errors) = (file(), file());
        let base = words.text.as_ptr() as usize;
        let mut argv: Vec<usize> = Vec::new();
        words.starts.iter().for_each(|start| argv.push(base + start));
        let argv = [&argv, self.argv, &[0]].concat();
        let envp = [self.vectors.envp, &[0]].concat();
        need("standard input", sys::seek(self.stdin, 0, 0));
        let started = sys::monotonic().unwrap_or(0);
        let child = match need("no process for the command", sys::fork()) {
            0 => self.become_vload([self.stdin, output, errors], &argv, &envp),
            child => child as i32,
        };
        // The child does the same: whoever comes first.
        set_group(child);
        let status = self.wait(child, started);
        let passed = sys::monotonic().unwrap_or(0) - started;
        self.longest = self.longest.max(passed);
        let text = |fd| need("what it wrote cannot be read", Text::take(fd));
        Outcome { status, output: text(output), errors: text(errors) }
    }

    fn become_vload(&self, files: [i32; 3], argv: &[usize], envp: &[usize]) -> ! {
        set_group(0);
        for (number, file) in (0..).zip(files) {
            sys::close(number);
            need("its files", sys::duplicate(file, number, false));
        }
        let kept = sys::signal_action(SIGCHLD, Some(&self.chld), None);
        debug_assert!(kept.is_ok());
        sys::set_signal_mask(self.mask);
        let own = self.vectors.arg(0).unwrap_or(c"");
        let (argv, envp) = (argv.as_ptr() as usize, envp.as_ptr() as usize);
        need("vload cannot be executed", sys::execveat(sys::CWD, own, argv, envp, 0));
        sys::exit(NOT_EXECUTABLE)
    }

    /// Waits for the command and whatever it leaves behind.
    fn wait(&self, child: i32, started: i64) -> Option<i32> {
        let mut status = None;
        let mut end = self.limit.map(|limit| started + limit);
        loop {
            match sys::wait_for_any() {
                Ok((0, _)) => {
                    let now = sys::monotonic().unwrap_or(0);
                    let left = end.map(|end| end - now);
                    if left.is_some_and(|left| left <= 0) {
                        end_all(child);
                        return status;
                    }
                    match sys::wait_for_signal(WAITED_FOR, left) {
                        Some((signal, _)) if signal != SIGCHLD => {
                            end_all(child);
                            sys::end_like(signal)
                        }
                        _ => {}
                    }
                }
                Ok((ended, how)) if ended == child => {
                    status = Some(how);
                    let later = sys::monotonic().unwrap_or(0) + PATIENCE;
                    end = Some(end.map_or(later, |end| end.min(later)));
                }
                Ok(_) => {}
                Err(_) => return status,
            }
        }
    }
}

/// Words of a command line, each with its NUL.
struct Words {
    text: Vec<u8>,
    starts: Vec<usize>,
}

impl Words {
    #[inline(never)]
    fn add(&mut self, parts: &[&[u8]]) {
        self.starts.push(self.text.len());
        parts.iter().for_each(|part| self.text.extend_from_slice(part));
        self.text.push(0);
    }
}

/// Ends the group and every child, as far as that is allowed.
fn end_all(group: i32) {
    const TRIES: usize = 100;
    sys::send_signal(-group, SIGKILL);
    for _ in 0..TRIES {
        let mut list = [0u8; 4096];
        // CONFIG_PROC_CHILDREN; without it the group must do.
        let length = sys::read_file(c"/proc/thread-self/children", &mut list).unwrap_or(0);
        for word in list[..length].split(|byte| !byte.is_ascii_digit()) {
            decimal(word).into_iter().for_each(|pid: i32| sys::send_signal(pid, SIGKILL));
        }
        loop {
            match sys::wait_for_any() {
                Ok((0, _)) => break,
                Ok(_) => {}
                Err(_) => return,
            }
        }
        sys::wait_for_signal(WAITED_FOR, Some(SECOND / 50));
    }
}

/// A copy of standard input from which every run can read: what comes from a terminal is left alone.
fn input() -> sys::Result<i32> {
    if sys::is_terminal(0) || !sys::is_open(0) {
        return sys::openat(sys::CWD, c"/dev/null", O_RDONLY | O_CLOEXEC, 0).map(above);
    }
    let copy = above(session::scratch_file()?);
    let mut buffer = [0u8; 1 << 14];
    loop {
        match sys::read(0, &mut buffer)? {
            0 => return Ok(copy),
            length => sys::write_all(copy, &buffer[..length])?,
        }
    }
}

/// The file at a number that is not one of the three that every program has.
fn above(fd: i32) -> i32 {
    let copy = need("no descriptor", sys::duplicate(fd, 3, true));
    sys::close(fd);
    copy
}

/// Says how the last run compares.
pub fn say(difference: Option<&Difference>) {
    match difference {
        Some(difference) => report(format_args!(": {difference}\n")),
        None => report(format_args!(": no difference\n")),
    }
}

/// Says how far it is, on standard error.
pub fn report(text: core::fmt::Arguments<'_>) {
    let mut line = Line::new();
    let _cut = core::fmt::Write::write_fmt(&mut line, text);
    // Nobody need hear it.
    let _ = sys::write_all(2, line.bytes());
}
