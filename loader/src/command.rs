//! The command line.

use core::ffi::CStr;
use core::fmt;

use runtime::digits::decimal;
use runtime::layer::modules::{self, Unusable};
use runtime::process::option;

use crate::bisect;
use crate::check::{Check, Form};
use crate::help;
use crate::message::Shown;
use crate::vectors::Vectors;

/// What is asked.
#[allow(dead_code, reason = "the two programs of this package read different parts")]
pub enum Command {
    /// A program is to be run.
    Run(Run),
    /// Files are to be looked at.
    Check(Check),
    /// What makes a program differ is to be found.
    Bisect(bisect::Ask),
    /// The machine is to be looked at.
    Doctor {
        /// `--json`.
        json: bool,
    },
    /// A verb for `vload-tool`: its index.
    Module(usize),
    /// A text is to be printed.
    Say(&'static str),
    /// It makes no sense.
    Wrong(Wrong),
}

/// A program to run; the options that cross an exec are in [`OPTIONS`](runtime::process::OPTIONS).
pub struct Run {
    /// The program as given.
    pub program: &'static CStr,
    /// The index of its first argument, its name, in vload's own vector.
    pub first: usize,
    /// `--log`.
    pub log: Option<&'static [u8]>,
    /// `vload trace`.
    pub trace: Option<Trace>,
    /// `-o`.
    pub trace_file: Option<&'static CStr>,
    /// The session that `vload bisect` has made for this run.
    pub trial: Option<i32>,
    /// What `vload-tool` has prepared.
    pub prepared: Option<i32>,
}

impl Run {
    /// Whether nothing but layers and the program is asked for.
    pub fn is_plain(&self) -> bool {
        self.log.is_none() && self.trace.is_none() && self.trial.is_none()
    }
}

/// What a trace shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// A line for each call.
    Lines,
    /// A table (`-c`).
    Counts,
}

/// Why a command line makes no sense.
pub enum Wrong {
    /// There is no program.
    NoProgram,
    /// There is no file.
    NoFile,
    /// No such option.
    Option(&'static [u8]),
    /// An option lacks its value.
    Value(&'static [u8]),
    /// A value is not one of the option's.
    BadValue(&'static [u8], &'static [u8]),
    /// An option that only `trace` takes.
    TraceOnly(&'static [u8]),
    /// An option that `bisect` does not take.
    NotBisect(&'static [u8]),
    /// A `-m` that cannot be followed.
    Module(&'static [u8], Unusable<'static>),
    /// More `-m` than there can be layers.
    Modules,
    /// A word kept for what is not there yet.
    Verb(&'static [u8]),
    /// More options than can be handed on.
    TooLong,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProgram => f.write_str("no program to run"),
            Self::NoFile => f.write_str("no file to check"),
            Self::Option(option) => write!(f, "unknown option '{}'", Shown(option)),
            Self::Value(option) => write!(f, "option '{}' needs a value", Shown(option)),
            Self::BadValue(option, value) => {
                write!(f, "option '{}' has no value '{}'", Shown(option), Shown(value))
            }
            Self::TraceOnly(option) => {
                write!(f, "option '{}' belongs to 'vload trace'", Shown(option))
            }
            Self::NotBisect(option) => {
                write!(f, "option '{}' does not go with 'vload bisect'", Shown(option))
            }
            Self::Module(text, why) => Unfit(text, *why).fmt(f),
            Self::Modules => {
                write!(f, "option '-m' can be given {} times at most", modules::MOST)
            }
            Self::Verb(verb) => write!(
                f,
                "'{0}' is not in this version; a program of that name runs with 'vload run {0}'",
                Shown(verb)
            ),
            Self::TooLong => f.write_str("the options are too long"),
        }
    }
}

/// A module with arguments, as a person has given it, and why that cannot be followed.
pub struct Unfit<'a>(pub &'a [u8], pub Unusable<'a>);

impl fmt::Display for Unfit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "module '{}': ", Shown(self.0))?;
        let list = |f: &mut fmt::Formatter<'_>, mut names: &mut dyn Iterator<Item = &str>| {
            for (index, name) in (&mut names).enumerate() {
                write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
            }
            Ok(())
        };
        match self.1 {
            Unusable::Malformed(malformed) => write!(f, "{malformed}"),
            Unusable::NoModule(name) => {
                write!(f, "there is no module '{}'; there are: ", Shown(name))?;
                let names = modules::BUILT_IN.iter().map(|raw| raw.name);
                list(f, &mut names.filter(|name| !name.starts_with(modules::HIDDEN)))
            }
            Unusable::NoArgument(name, key) => {
                write!(f, "'{name}' has no argument '{}'", Shown(key))?;
                match modules::keys(name) {
                    [] => f.write_str("; it takes none"),
                    keys => {
                        f.write_str("; it has: ")?;
                        list(f, &mut keys.iter().copied())
                    }
                }
            }
        }
    }
}

/// Words that are verbs of the command line and not built yet.
const KEPT: [&[u8]; 4] = [b"enter", b"ps", b"root", b"jail"];

/// Reads the command line.
pub fn parse(vectors: &Vectors) -> Command {
    let mut reader = Reader {
        vectors,
        index: 1,
        trace: None,
        log: None,
        trace_file: None,
        trial: None,
        prepared: None,
    };
    match reader.read() {
        Ok(command) => command,
        Err(wrong) => Command::Wrong(wrong),
    }
}

struct Reader<'a> {
    vectors: &'a Vectors,
    index: usize,
    trace: Option<Trace>,
    log: Option<&'static [u8]>,
    trace_file: Option<&'static CStr>,
    trial: Option<i32>,
    prepared: Option<i32>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<Command, Wrong> {
        let mut first_word = true;
        loop {
            let word = self.vectors.arg(self.index).ok_or(Wrong::NoProgram)?;
            let bytes = word.to_bytes();
            if bytes == b"--" {
                self.index += 1;
                return self.program();
            }
            if bytes.len() > 1 && bytes[0] == b'-' {
                self.index += 1;
                if let Some(text) = self.option(bytes)? {
                    return Ok(Command::Say(text));
                }
                continue;
            }
            if !core::mem::take(&mut first_word) {
                return self.program();
            }
            match bytes {
                b"run" => self.index += 1,
                b"trace" => {
                    self.index += 1;
                    self.trace = Some(Trace::Lines);
                }
                b"check" => {
                    self.index += 1;
                    return self.check();
                }
                b"doctor" => {
                    self.index += 1;
                    return self.doctor();
                }
                b"bisect" => {
                    self.index += 1;
                    return self.bisect();
                }
                b"insmod" | b"lsmod" | b"rmmod" | b"mount" | b"umount" | b"new" | b"cflags" => {
                    return match self.vectors.arg(self.index + 1).map(CStr::to_bytes) {
                        Some(b"-h" | b"--help") => Ok(Command::Say(help::TEXT)),
                        _ => Ok(Command::Module(self.index)),
                    };
                }
                b"help" => return Ok(Command::Say(help::TEXT)),
                _ if KEPT.contains(&bytes) => return Err(Wrong::Verb(bytes)),
                _ => return self.program(),
            }
        }
    }

    fn doctor(&mut self) -> Result<Command, Wrong> {
        let mut json = false;
        while let Some(word) = self.vectors.arg(self.index).map(CStr::to_bytes) {
            self.index += 1;
            match word {
                b"--json" => json = true,
                b"-h" | b"--help" => return Ok(Command::Say(help::TEXT)),
                _ => return Err(Wrong::Option(word)),
            }
        }
        Ok(Command::Doctor { json })
    }

    fn bisect(&mut self) -> Result<Command, Wrong> {
        let mut ask = bisect::Ask { first: 0, json: false, status: false, timeout: None };
        while let Some(word) = self.vectors.arg(self.index).map(CStr::to_bytes) {
            if word.len() < 2 || word[0] != b'-' {
                break;
            }
            self.index += 1;
            match word {
                b"--" => break,
                b"--json" => ask.json = true,
                b"--status" => ask.status = true,
                b"--timeout" => {
                    let value = self.value(word, None)?;
                    let seconds = decimal(value).filter(|&seconds| seconds > 0);
                    ask.timeout = Some(seconds.ok_or(Wrong::BadValue(word, value))?);
                }
                _ => {
                    if let Some(text) = self.option(word)? {
                        return Ok(Command::Say(text));
                    }
                }
            }
        }
        // Every run would write it anew.
        if self.log.is_some() {
            return Err(Wrong::NotBisect(b"--log"));
        }
        ask.first = self.index;
        self.vectors.arg(self.index).map(|_| Command::Bisect(ask)).ok_or(Wrong::NoProgram)
    }

    fn check(&mut self) -> Result<Command, Wrong> {
        let mut check = Check { first: 0, form: Form::default(), needed: false };
        while let Some(word) = self.vectors.arg(self.index).map(CStr::to_bytes) {
            match word {
                b"--json" => check.form.json = true,
                b"--count" => check.form.count = true,
                b"--needed" => check.needed = true,
                _ if word.len() < 2 || word[0] != b'-' => break,
                _ => {
                    self.index += 1;
                    if word == b"--" {
                        break;
                    }
                    if let Some(text) = self.option(word)? {
                        return Ok(Command::Say(text));
                    }
                    continue;
                }
            }
            self.index += 1;
        }
        check.first = self.index;
        self.vectors.arg(self.index).map(|_| Command::Check(check)).ok_or(Wrong::NoFile)
    }

    fn program(&mut self) -> Result<Command, Wrong> {
        let program = self.vectors.arg(self.index).ok_or(Wrong::NoProgram)?;
        match self.trace {
            Some(Trace::Lines) => keep("trace", b"lines")?,
            Some(Trace::Counts) => keep("trace", b"counts")?,
            None => {}
        }
        Ok(Command::Run(Run {
            program,
            first: self.index,
            log: self.log,
            trace: self.trace,
            trace_file: self.trace_file,
            trial: self.trial,
            prepared: self.prepared,
        }))
    }

    /// One option; gives a text when it asks for one.
    fn option(&mut self, word: &'static [u8]) -> Result<Option<&'static str>, Wrong> {
        let (name, given) = option::split(word);
        match name {
            b"--help" | b"--version" | b"--no-cache" | b"--vdso" if given.is_some() => {
                return Err(Wrong::Option(word));
            }
            b"-h" | b"--help" => return Ok(Some(help::TEXT)),
            b"-V" | b"--version" => return Ok(Some(help::VERSION)),
            b"--log" => self.log(name, given)?,
            b"--test-lose-register" | b"--test-lose-moved" => {
                let value = self.value(name, given)?;
                keep(long(name), value)?;
            }
            b"--prepared" => self.prepared = decimal(self.value(name, given)?),
            b"--test-trial" => self.trial = decimal(self.value(name, given)?),
            b"-c" | b"-f" | b"-o" | b"--vdso" if self.trace.is_none() => {
                return Err(Wrong::TraceOnly(name));
            }
            b"-c" => self.trace = Some(Trace::Counts),
            b"--test-private-pages" | b"--test-bounce" | b"--vdso" => keep(long(name), b"")?,
            // strace's "follow": vload always does.
            b"-f" => {}
            b"-o" => {
                let file = self.vectors.arg(self.index).ok_or(Wrong::Value(name))?;
                self.index += 1;
                self.trace_file = Some(file);
            }
            _ => self.session(word, name, given)?,
        }
        Ok(None)
    }

    /// An option of the session's.
    fn session(
        &mut self,
        word: &'static [u8],
        name: &'static [u8],
        given: Option<&'static [u8]>,
    ) -> Result<(), Wrong> {
        let next = || {
            let value = self.vectors.arg(self.index)?;
            self.index += 1;
            Some(value.to_bytes())
        };
        // SAFETY: one thread, and the target has not run.
        unsafe { option::take(name, given, next) }.map_err(|unfit| match unfit {
            option::Unfit::Unknown => Wrong::Option(word),
            option::Unfit::NoValue => Wrong::Value(name),
            option::Unfit::Value(value) => Wrong::BadValue(name, value),
            option::Unfit::Module(text, why) => Wrong::Module(text, why),
            option::Unfit::Modules => Wrong::Modules,
            option::Unfit::TooLong => Wrong::TooLong,
        })
    }

    fn log(&mut self, name: &'static [u8], given: Option<&'static [u8]>) -> Result<(), Wrong> {
        let (file, level) = option::log(self.value(name, given)?);
        if let Some(level) = level {
            keep("log-level", level)?;
        }
        self.log = Some(file);
        Ok(())
    }

    fn value(
        &mut self,
        name: &'static [u8],
        given: Option<&'static [u8]>,
    ) -> Result<&'static [u8], Wrong> {
        if let Some(value) = given {
            return Ok(value);
        }
        let value = self.vectors.arg(self.index).ok_or(Wrong::Value(name))?;
        self.index += 1;
        Ok(value.to_bytes())
    }
}

/// An option without its dashes.
fn long(name: &[u8]) -> &str {
    name.get(2..).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or_default()
}

fn keep(name: &str, value: &[u8]) -> Result<(), Wrong> {
    // SAFETY: one thread, and the target has not run.
    unsafe { option::keep(name, value) }.map_err(|_| Wrong::TooLong)
}
