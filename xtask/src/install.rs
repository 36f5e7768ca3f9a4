//! `cargo xtask install`: the program, the library with its header, the modules, the headers and the crate of those to
//! come, the manual pages and the licences.

use crate::arch::Arch;
use crate::{build, command, modules, standalone};
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Options of `cargo xtask install`.
#[derive(Args)]
pub struct Options {
    /// Where the installed files will be used
    #[arg(long, default_value = "/usr/local")]
    prefix: PathBuf,
    /// A folder put before the prefix, for packagers
    #[arg(long)]
    destdir: Option<PathBuf>,
}

/// Builds vload and copies what belongs to it below the prefix.
pub fn install(options: &Options) -> Result<()> {
    let binary = build::vload(Arch::X86_64, false, true)?;
    let root = command::root();
    let base = match &options.destdir {
        Some(folder) => folder.join(options.prefix.strip_prefix("/").unwrap_or(&options.prefix)),
        None => options.prefix.clone(),
    };
    copy(&binary, &base.join("bin/vload"), 0o755)?;
    copy(&binary.with_file_name("vload-tool"), &base.join("lib/vload/vload-tool"), 0o755)?;
    copy(&binary.with_file_name("libvload.so"), &base.join("lib/libvload.so"), 0o755)?;
    copy(&root.join("adopt/vload.h"), &base.join("include/vload.h"), 0o644)?;
    let folder = binary.parent().context("a program lies in a folder")?;
    for (module, name) in modules::files(folder)? {
        copy(&module, &base.join("lib/vload").join(name), 0o755)?;
    }
    for header in ["module.h", "service.h"] {
        let source = root.join("module/include/vload").join(header);
        copy(&source, &base.join("include/vload").join(header), 0o644)?;
    }
    let source = root.join("module");
    let library = base.join("share/vload/module");
    put(standalone::manifest(&source, &root)?.as_bytes(), &library.join("Cargo.toml"))?;
    for file in standalone::sources(&source)? {
        copy(&source.join(&file), &library.join(&file), 0o644)?;
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&root.join(licence), &base.join("share/licenses/vload").join(licence), 0o644)?;
    }
    for page in manual_pages(&root.join("docs/man"))? {
        let section = page.extension().unwrap_or_default().to_string_lossy().into_owned();
        let name = page.file_name().unwrap_or_default();
        copy(&page, &base.join(format!("share/man/man{section}")).join(name), 0o644)?;
    }
    Ok(())
}

/// The manual pages in `folder`: the files named `NAME.SECTION`.
fn manual_pages(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let numbered = |extension: &std::ffi::OsStr| {
            extension.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)
        };
        if path.extension().is_some_and(numbered) {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let copied = install_as(to, mode, |beside| fs::copy(from, beside).map(drop));
    copied.with_context(|| format!("cannot install {} as {}", from.display(), to.display()))
}

fn put(bytes: &[u8], to: &Path) -> Result<()> {
    let put = install_as(to, 0o644, |beside| fs::write(beside, bytes));
    put.with_context(|| format!("cannot install {}", to.display()))
}

/// Has `fill` make a file, and puts it in its place: a running program's file cannot be written to, only replaced.
fn install_as(to: &Path, mode: u32, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = to.with_extension("new");
    fill(&beside)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, to)?;
    println!("{}", to.display());
    Ok(())
}
