//! The programs that cases run, compiled from `tests/programs`.

use crate::arch::Arch;
use crate::needs::{PATH, find_program};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a program is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compiler {
    /// The C compiler of the architecture.
    C,
    /// The C++ compiler; native only.
    Cxx,
    /// The C compiler with musl; native only.
    Musl,
    /// Go, without cgo; native only.
    Go,
}

/// One program: a source file, a compiler and its flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Build {
    /// The source's name in `tests/programs`.
    pub source: &'static str,
    /// Who compiles it.
    pub compiler: Compiler,
    /// Flags beyond `-O1 -o`.
    pub flags: &'static [&'static str],
    /// A file beside it that is compiled into it, or nothing.
    pub suffix: &'static str,
}

impl Build {
    /// A C program as the machine's compiler makes them by default: dynamic and
    /// position-independent.
    pub const fn c(source: &'static str) -> Self {
        Build { source, compiler: Compiler::C, flags: &[], suffix: "" }
    }

    /// The same with flags; `suffix` tells it apart from others of the same source.
    pub const fn c_with(
        source: &'static str,
        suffix: &'static str,
        flags: &'static [&'static str],
    ) -> Self {
        Build { source, compiler: Compiler::C, flags, suffix }
    }

    /// `packed.c`, which makes programs that carry another and become it.
    pub const fn packer() -> Self {
        const FLAGS: &[&str] = &[
            "-nostdlib",
            "-static-pie",
            "-fPIE",
            "-ffreestanding",
            "-fno-stack-protector",
            "-fno-tree-loop-distribute-patterns",
            // Addresses are offsets in the file.
            "-Wl,-z,noseparate-code",
        ];
        Self::c_with("packed.c", "", FLAGS)
    }

    /// With musl.
    pub const fn musl(
        source: &'static str,
        suffix: &'static str,
        flags: &'static [&'static str],
    ) -> Self {
        Build { source, compiler: Compiler::Musl, flags, suffix }
    }

    /// A C++ program.
    pub const fn cxx(source: &'static str) -> Self {
        Build { source, compiler: Compiler::Cxx, flags: &[], suffix: "" }
    }

    /// The same with flags.
    pub const fn cxx_with(source: &'static str, flags: &'static [&'static str]) -> Self {
        Build { source, compiler: Compiler::Cxx, flags, suffix: "" }
    }

    /// A Go program.
    pub const fn go(source: &'static str) -> Self {
        Build { source, compiler: Compiler::Go, flags: &[], suffix: "go" }
    }

    /// The name of the compiled file.
    pub fn file_name(&self) -> String {
        let stem = self.source.split('.').next().unwrap_or(self.source);
        match self.suffix {
            "" => stem.into(),
            suffix => format!("{stem}-{suffix}"),
        }
    }

    /// The program that compiles it.
    pub fn tool(&self, arch: Arch) -> &'static str {
        match self.compiler {
            Compiler::C => arch.cc().first().copied().unwrap_or("cc"),
            Compiler::Cxx => "g++",
            Compiler::Musl => "musl-gcc",
            Compiler::Go => "go",
        }
    }

    /// Compiles it into `folder`, unless what is there is newer than its source.
    pub fn compile(&self, arch: Arch, sources: &Path, folder: &Path) -> Result<PathBuf> {
        let source = sources.join(self.source);
        let output = folder.join(self.file_name());
        let headers = ["check.h", "variants.h"].map(|header| sources.join(header));
        if [&source].into_iter().chain(&headers).all(|file| is_newer(&output, file)) {
            return Ok(output);
        }
        let tool = find_program(self.tool(arch))
            .with_context(|| format!("{} is not installed", self.tool(arch)))?;
        let mut command = Command::new(tool);
        command.env("PATH", PATH);
        match self.compiler {
            Compiler::Go => {
                command.args(["build", "-o"]).arg(&output).args(self.flags).arg(&source);
                command.env("CGO_ENABLED", "0").env("GO111MODULE", "off");
                command.env("GOCACHE", folder.join("go-cache")).env("GOFLAGS", "");
            }
            _ => {
                if self.compiler == Compiler::C {
                    command.args(arch.cc().iter().skip(1));
                }
                command.args(["-O1", "-Wall", "-Werror", "-o"]).arg(&output).arg(&source);
                command.args(self.flags).args(["-pthread"]);
            }
        }
        let result = command.output().with_context(|| format!("cannot run {command:?}"))?;
        if !result.status.success() {
            let stderr = String::from_utf8_lossy(&result.stderr);
            let error = stderr.lines().find(|line| line.contains("error")).unwrap_or(&stderr);
            bail!("cannot compile {} ({}): {error}", self.source, self.file_name());
        }
        Ok(output)
    }
}

fn is_newer(file: &Path, source: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    matches!((time(file), time(source)), (Some(file), Some(source)) if file > source)
}
