//! `cargo xtask setup`: what cross builds and tests need, brought after asking.

use crate::arch::Arch;
use crate::build::{debian_toolchain, rustup_has};
use crate::command::{self, find_program, succeed};
use crate::extra;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::{self, BufRead, Write};
use std::process::Command;

/// Options of `cargo xtask setup`.
#[derive(Args, Default)]
pub struct Options {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Also the programs that the tests run
    #[arg(long)]
    pub tests: bool,
}

/// Debian's Rust, whose library sources build for targets that rustup cannot fetch.
const DEBIAN_RUST: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// A program that tests run, and the package that has it.
const TEST_PROGRAMS: &[(&str, &str)] = &[
    ("bash", "bash"),
    ("busybox", "busybox-static"),
    ("bwrap", "bubblewrap"),
    ("cc", "gcc"),
    ("chromium", "chromium"),
    ("dash", "dash"),
    ("find", "findutils"),
    ("g++", "g++"),
    ("gcc", "gcc"),
    ("gdb", "gdb"),
    ("git", "git"),
    ("go", "golang-go"),
    ("javac", "default-jdk-headless"),
    ("ldd", "libc-bin"),
    ("make", "make"),
    ("mount", "mount"),
    ("musl-gcc", "musl-tools"),
    ("nginx", "nginx-light"),
    ("node", "nodejs"),
    ("perl", "perl"),
    ("ps", "procps"),
    ("python3", "python3"),
    ("redis-benchmark", "redis-tools"),
    ("redis-server", "redis-server"),
    ("script", "bsdutils"),
    ("setarch", "util-linux"),
    ("setpriv", "util-linux"),
    ("sqlite3", "sqlite3"),
    ("strace", "strace"),
    ("tar", "tar"),
    ("valgrind", "valgrind"),
    ("vim.tiny", "vim-tiny"),
    ("xterm", "xterm"),
    ("Xvfb", "xvfb"),
];

/// What the suites that others wrote come in.
const SUITE_PACKAGES: &[&str] =
    &["golang-go", "golang-src", "libpython3.11-testsuite", "stress-ng", "tzdata", "util-linux"];

/// Finds what is missing, says how it would be brought, asks, and brings it.
pub fn setup(options: &Options) -> Result<()> {
    let targets: Vec<Arch> = Arch::ALL
        .into_iter()
        .filter(|&arch| arch != Arch::X86_64 && !rustup_has(arch) && !debian_toolchain())
        .collect();
    let packages = missing_packages(options.tests);
    let extra = if options.tests { extra::missing() } else { Vec::new() };
    if targets.is_empty() && packages.is_empty() && extra.is_empty() {
        println!("nothing to do");
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add"]).args(targets.iter().map(|arch| arch.triple()));
    let mut debian_rust = apt_install(&DEBIAN_RUST);
    let mut apt = apt_install(&packages);
    println!("This will run:");
    if !targets.is_empty() {
        println!("    {}", command::shown(&rustup));
        println!("    {}    (only if rustup cannot)", command::shown(&debian_rust));
    }
    if !packages.is_empty() {
        println!("    {}", command::shown(&apt));
    }
    if !extra.is_empty() {
        println!("    {}", extra::shown(&extra));
    }
    if !options.yes && !confirmed()? {
        bail!("nothing was installed");
    }
    let rustup_failed = !targets.is_empty() && succeed(&mut rustup).is_err();
    if rustup_failed || !packages.is_empty() {
        // Package lists older than the archive name files that are gone.
        succeed(apt_get().args(["update", "--quiet"]))?;
    }
    if rustup_failed {
        succeed(&mut debian_rust)?;
    }
    if !packages.is_empty() {
        succeed(&mut apt)?;
    }
    if !extra.is_empty() {
        extra::bring(&extra);
    }
    Ok(())
}

/// The packages that are not installed, each named once.
fn missing_packages(tests: bool) -> Vec<&'static str> {
    let cross = Arch::ALL.into_iter().flat_map(Arch::packages).copied();
    let mut packages: Vec<_> = cross.filter(|package| !is_installed(package)).collect();
    if tests {
        let missing = TEST_PROGRAMS.iter().filter(|(program, _)| find_program(program).is_none());
        packages.extend(missing.map(|&(_, package)| package));
        packages.extend(SUITE_PACKAGES.iter().copied().filter(|package| !is_installed(package)));
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    query.output().is_ok_and(|output| output.stdout == b"installed")
}

/// `apt-get`, with the rights that it needs.
pub fn apt_get() -> Command {
    let mut apt = as_root("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// The installation of these packages.
pub fn apt_install(packages: &[&str]) -> Command {
    let mut apt = apt_get();
    apt.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages);
    apt
}

fn as_root(program: &str) -> Command {
    let mut id = Command::new("id");
    if command::output(id.arg("-u")).is_ok_and(|uid| uid.trim() == "0") {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.arg(program);
    sudo
}

fn confirmed() -> Result<bool> {
    print!("Go on? [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
