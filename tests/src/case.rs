//! One test: what is run, how, and what of it is compared.

use crate::arch::Arch;
use crate::confinement::Confinement;
use crate::execute::Bench;
use crate::needs::Need;
use crate::programs::Build;
use std::time::Duration;

/// What is done with a case.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Run it natively and under vload: output, exit status and files must agree.
    Compare,
    /// Count its calls with strace natively and with `vload trace -c`: the counts must agree.
    Count,
    /// Something that has no native counterpart; the error says what was wrong.
    Check(fn(&Bench<'_>) -> anyhow::Result<()>),
}

/// How vload is told to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mode {
    /// Its name in the report.
    pub name: String,
    /// vload's options.
    pub options: Vec<String>,
    /// Whether a tracer outside brings the calls (`bounce`).
    pub bounces: bool,
}

impl Mode {
    fn new(name: &str, options: &[&str]) -> Self {
        let options = options.iter().map(|&word| word.into()).collect();
        Mode { name: name.into(), options, bounces: false }
    }

    /// As a user runs it.
    pub fn plain() -> Self {
        Mode::new("plain", &[])
    }

    /// With one set of shapes forced.
    pub fn shapes(set: &str) -> Self {
        Mode::new(set, &[&format!("--shapes={set}")])
    }

    /// Nothing is patched, and a tracer brings the calls: where a shape differs from this, the
    /// shape is at fault.
    pub fn bounce() -> Self {
        Mode { bounces: true, ..Mode::new("bounce", &["--test-bounce"]) }
    }

    /// Every mode a case is run in. Each shape is followed by the trap, which serves the sites
    /// that the shape does not fit.
    pub fn all() -> Vec<Mode> {
        let mut modes = vec![Mode::plain()];
        modes.extend(
            ["trap", "mov,trap", "pad,trap", "before,trap", "after,trap", "pun,trap"]
                .map(Mode::shapes),
        );
        modes.push(Mode::new("forward", &["-m", "forward"]));
        modes.push(Mode::new("no-cache", &["--no-cache"]));
        modes.push(Mode::new("private-pages", &["--test-private-pages"]));
        modes.push(Mode::bounce());
        modes
    }
}

/// Something that two native runs differ in by nature, and what is compared in its stead.
#[derive(Clone, Copy)]
pub enum Rule {
    /// What matches the pattern is replaced.
    Replace(&'static str, &'static str),
    /// Lines that contain the text are left out.
    Without(&'static str),
    /// The lines come in any order.
    Sorted,
    /// Standard error is not compared.
    IgnoreStderr,
    /// How often calls are made depends on how threads are scheduled: many native runs tell which
    /// calls these are.
    Unsteady,
    /// How often these calls are made depends on which threads have come to their end when the process
    /// does: that they are made is what is compared.
    Varies(&'static [&'static str]),
}

/// A file that is there before the program starts, in its folder.
#[derive(Clone)]
pub struct Given {
    /// Its name below the folder.
    pub name: &'static str,
    /// What it holds.
    pub contents: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
}

/// One test. In its words, `{0}`, `{1}`, … stand for the programs it builds, `{dir}` for the folder
/// it runs in, `{programs}` for the folder of scripts, `{vload}` for the vload under test and `{confine}` for the
/// wrapper of that name.
#[derive(Clone)]
pub struct Case {
    /// Suite and name, `signals/sigaltstack`.
    pub name: String,
    /// What is done with it.
    pub kind: Kind,
    /// What it cannot do without.
    pub needs: Vec<Need>,
    /// Programs that are compiled for it.
    pub builds: Vec<Build>,
    /// Words before vload's own.
    pub wrapper: Vec<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables beyond the fixed environment.
    pub variables: Vec<(&'static str, String)>,
    /// What is read from standard input.
    pub stdin: Vec<u8>,
    /// Files that are there before.
    pub given: Vec<Given>,
    /// A shell script that prepares the folder, natively both times.
    pub prepare: Option<&'static str>,
    /// Files whose contents are compared after.
    pub files: Vec<&'static str>,
    /// What is not compared as it is.
    pub rules: Vec<Rule>,
    /// The exit code that the program ends with natively: a program that fails shows nothing.
    pub code: i32,
    /// How long one run may take.
    pub timeout: Duration,
    /// Where it runs.
    pub arches: Vec<Arch>,
    /// Whether it runs in every mode, or only in the plain one because it takes long.
    pub every_mode: bool,
    /// Whether it can run where a tracer brings the calls.
    pub bounces: bool,
    /// The confinements in which it cannot be had at all, natively or in what it looks at.
    pub unfit: Vec<&'static str>,
}

impl Case {
    /// A comparison on x86-64, in every mode, with thirty seconds for each run.
    pub fn new(name: impl Into<String>) -> Self {
        Case {
            name: name.into(),
            kind: Kind::Compare,
            needs: Vec::new(),
            builds: Vec::new(),
            wrapper: Vec::new(),
            command: Vec::new(),
            variables: Vec::new(),
            stdin: Vec::new(),
            given: Vec::new(),
            prepare: None,
            files: Vec::new(),
            rules: Vec::new(),
            code: 0,
            timeout: Duration::from_secs(30),
            arches: vec![Arch::X86_64],
            every_mode: true,
            bounces: true,
            unfit: Vec::new(),
        }
    }

    /// Compiles a program for the case, and runs it when no command was named.
    pub fn build(mut self, build: Build) -> Self {
        if self.builds.is_empty() && self.command.is_empty() {
            self.command.push("{0}".into());
        }
        self.builds.push(build);
        self
    }

    /// The program and its arguments.
    pub fn run(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(|&word| word.into()).collect();
        self
    }

    /// A script for `sh`, as the program that is run.
    pub fn shell(self, script: &str) -> Self {
        self.run(&["/bin/sh", "-c", script])
    }

    /// Words before vload's own, which make the environment.
    pub fn within(mut self, words: &[&str]) -> Self {
        self.wrapper.extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// Something that the case cannot do without.
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// A program that the case cannot do without.
    pub fn needs_program(self, name: &'static str) -> Self {
        self.needs(Need::Program(name))
    }

    /// A variable beyond the fixed environment.
    pub fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// What the program reads from standard input.
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    /// A file that is there before.
    pub fn given(mut self, name: &'static str, mode: u32, contents: impl Into<Vec<u8>>) -> Self {
        self.given.push(Given { name, contents: contents.into(), mode });
        self
    }

    /// A shell script that prepares the folder.
    pub fn prepare(mut self, script: &'static str) -> Self {
        self.prepare = Some(script);
        self
    }

    /// A file whose contents are compared after.
    pub fn leaves(mut self, file: &'static str) -> Self {
        self.files.push(file);
        self
    }

    /// What is not compared as it is.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The exit code that the program ends with natively, where it is not 0.
    pub fn exits(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// How long one run may take, in seconds; for cases that take longer than most.
    pub fn seconds(mut self, seconds: u64) -> Self {
        self.timeout = Duration::from_secs(seconds);
        self
    }

    /// Only in the plain mode, because it takes long.
    pub fn plain_only(mut self) -> Self {
        self.every_mode = false;
        self
    }

    /// Not where a tracer brings the calls: the case traces by itself, or is about patched text.
    pub fn never_bounced(mut self) -> Self {
        self.bounces = false;
        self
    }

    /// Not in these confinements: what the case itself needs is not there.
    pub fn not_under(mut self, names: &[&'static str]) -> Self {
        self.unfit.extend(names);
        self
    }

    /// In no confinement: the case brings its own, or needs what they take.
    pub fn never_confined(self) -> Self {
        self.not_under(&Confinement::ALL.map(|confinement| confinement.name))
    }

    /// On every architecture.
    pub fn everywhere(self) -> Self {
        self.on(&[Arch::X86_64, Arch::I686, Arch::Aarch64, Arch::Riscv64])
    }

    /// On these architectures.
    pub fn on(mut self, arches: &[Arch]) -> Self {
        self.arches = arches.to_vec();
        self
    }

    /// A comparison of call counts.
    pub fn counted(mut self) -> Self {
        self.kind = Kind::Count;
        // strace cannot work without ptrace.
        self.needs(Need::Program("strace")).plain_only().not_under(&["deny-ptrace"])
    }

    /// Something that has no native counterpart.
    pub fn check(mut self, check: fn(&Bench<'_>) -> anyhow::Result<()>) -> Self {
        self.kind = Kind::Check(check);
        self
    }
}
