//! The modules that vload comes with, and the framework of those that are services: shared objects beside the
//! program, where vload looks for them.

use crate::arch::Arch;
use crate::command::{self, find_program, succeed};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

/// Those that are written in Rust.
pub const PACKAGES: [&str; 4] = ["vload-service", "vload-memfs", "vload-table", "vload-unreal"];

/// How C and C++ files become modules.
pub const FLAGS: &str = include_str!("../../module/cflags");

/// The compiler for an architecture's C programs.
fn cc(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &["gcc"],
        Arch::I686 => &["gcc", "-m32"],
        Arch::Aarch64 => &["aarch64-linux-gnu-gcc"],
        Arch::Riscv64 => &["riscv64-linux-gnu-gcc"],
    }
}

/// The C files: `modules/NAME/NAME.c`.
fn sources() -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let folder = command::root().join("modules");
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let source = path.join(path.file_name().unwrap_or_default()).with_extension("c");
        if source.is_file() {
            all.push(source);
        }
    }
    all.sort();
    Ok(all)
}

/// Compiles those that are written in C into `folder`. Where there is no compiler for the architecture they are left
/// out, and it is said.
pub fn compile(arch: Arch, folder: &Path) -> Result<()> {
    let [program, flags @ ..] = cc(arch) else { return Ok(()) };
    if find_program(program).is_none() {
        println!("without the modules in C: {program} is not installed");
        return Ok(());
    }
    for source in sources()? {
        let output = folder.join(source.file_stem().unwrap_or_default()).with_extension("so");
        let mut compiler = Command::new(program);
        compiler
            .args(flags)
            .args(FLAGS.split_whitespace())
            .arg("-I")
            .arg(command::root().join("module/include"));
        compiler.arg("-o").arg(&output).arg(&source);
        succeed(&mut compiler).with_context(|| format!("compiling {}", source.display()))?;
    }
    Ok(())
}

/// Leaves a link to the crate and the header of modules beside the program, where `vload new` and `vload cflags` look.
pub fn lead_to_crate(folder: &Path) -> Result<()> {
    let (link, to) = (folder.join("module"), command::root().join("module"));
    if fs::read_link(&link).is_ok_and(|leads| leads == to) {
        return Ok(());
    }
    // It may be that of another checkout, and in use.
    let beside = folder.join(format!("module.{}", process::id()));
    symlink(&to, &beside)
        .and_then(|()| fs::rename(&beside, &link))
        .with_context(|| format!("cannot make {}", link.display()))
}

/// What is installed from `folder`: each file, and its name there.
pub fn files(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut all = Vec::new();
    for package in PACKAGES {
        let name = package.replace("vload-", "");
        let libraries = [format!("libvload_{name}.so"), format!("lib{name}.so")];
        let built =
            libraries.iter().map(|library| folder.join(library)).find(|path| path.is_file());
        let built = built.with_context(|| format!("{package} is not in {}", folder.display()))?;
        all.push((built, format!("{name}.so")));
    }
    for source in sources()? {
        let name = format!("{}.so", source.file_stem().unwrap_or_default().to_string_lossy());
        all.push((folder.join(&name), name));
    }
    Ok(all)
}
