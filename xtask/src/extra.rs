//! Programs that tests run where they can be had: Debian has them beside its release.

use crate::command::{self, find_program, succeed};
use crate::setup::{apt_get, apt_install};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program, and the package that has it.
const EXTRA: &[(&str, &str)] = &[("upx", "upx-ucl")];

/// The packages that are missing.
pub fn missing() -> Vec<&'static str> {
    let missing = EXTRA.iter().filter(|(program, _)| find_program(program).is_none());
    missing.map(|&(_, package)| package).collect()
}

/// What will be run for them, as a person would type it.
pub fn shown(packages: &[&str]) -> String {
    format!(
        "{}    (also from backports; the tests do without)",
        command::shown(&apt_install(packages))
    )
}

/// Brings them: from the sources of packages that the machine has, else from the backports of its
/// release. What cannot be had is said, and is no failure.
pub fn bring(packages: &[&str]) {
    let brought = succeed(&mut apt_install(packages)).or_else(|_| from_backports(packages));
    if let Err(error) = brought {
        println!("not installed: {}; the tests do without: {error:#}", packages.join(" "));
    }
}

/// Installs with a list of sources that is the machine's own and the backports of its release, and
/// holds for these commands only.
fn from_backports(packages: &[&str]) -> Result<()> {
    let own = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    let list = command::target_dir().join("backports.list");
    fs::create_dir_all(command::target_dir())?;
    fs::write(&list, format!("{own}\n{}\n", source()?))
        .with_context(|| format!("cannot write {}", list.display()))?;
    let list = list.canonicalize()?;
    succeed(with_list(apt_get(), &list).args(["update", "--quiet"]))?;
    succeed(&mut with_list(apt_install(packages), &list))
}

fn with_list(mut apt: Command, list: &Path) -> Command {
    apt.arg("-o").arg(format!("Dir::Etc::sourcelist={}", list.display()));
    apt
}

/// The line of `sources.list` for the backports of this release, on the mirror that its packages come
/// from.
fn source() -> Result<String> {
    let system = fs::read_to_string("/etc/os-release").context("which release is this?")?;
    let codename = system.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let codename = codename.context("the release has no name")?;
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]);
    let targets = command::output(&mut apt)?;
    let mirror = targets.lines().find_map(|line| line.strip_prefix(codename)?.strip_prefix(' '));
    let mirror = mirror.with_context(|| format!("no source of packages is {codename}"))?;
    let key = PathBuf::from("/usr/share/keyrings/debian-archive-keyring.gpg");
    let signed =
        if key.is_file() { format!("[signed-by={}] ", key.display()) } else { String::new() };
    Ok(format!("deb {signed}{mirror} {codename}-backports main"))
}
