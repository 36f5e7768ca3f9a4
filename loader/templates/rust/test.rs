//! What programs see of the module.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// The module, built as it is used: cargo builds no shared object for a test.
static MODULE: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut cargo = Command::new(env!("CARGO"));
    let built = cargo.args(["build", "--release", "--quiet"]).status().expect("cargo runs");
    assert!(built.success(), "the module is not built");
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release").join("lib@IDENT@.so")
});

/// Runs a program, with the module and what is behind its name.
fn vload(arguments: &str, program: &[&str]) -> Output {
    let vload = env::var_os("VLOAD").unwrap_or_else(|| "vload".into());
    let layer = format!("{}{arguments}", MODULE.display());
    let mut command = Command::new(&vload);
    let ran = command.arg("-m").arg(layer).arg("--").args(program).output();
    ran.unwrap_or_else(|error| panic!("{}: {error}; the variable VLOAD says where it is", vload.display()))
}

/// What a program prints.
fn said(arguments: &str, program: &[&str]) -> String {
    let output = vload(arguments, program);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn it_greets() {
    assert_eq!(said("", &["cat", "/@NAME@"]), "Hello from @NAME@!\n");
}

#[test]
fn it_says_what_it_is_told() {
    assert_eq!(said(":text=morning", &["cat", "/@NAME@"]), "morning\n");
    assert_eq!(said(":text=morning", &["stat", "-c", "%s", "/@NAME@"]), "8\n");
}

#[test]
fn nobody_writes() {
    assert!(!vload("", &["sh", "-c", "echo >>/@NAME@"]).status.success());
}

#[test]
fn outside_there_is_nothing() {
    assert!(!Path::new("/@NAME@").exists());
}
