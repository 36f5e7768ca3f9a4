//! What authors of modules are given: a module to begin with, and what their compilers are told.

use crate::case::Case;
use crate::execute::{Bench, Host, Outcome};
use crate::needs::PATH;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("authors/{name}")).plain_only().run(&["{vload}"]);
    vec![
        case("new-c")
            .needs_program("make")
            .needs_program("cc")
            .variable("VLOAD", "{vload}")
            .variable("XDG_DATA_HOME", "{dir}/data")
            .seconds(120)
            .check(new_in_c),
        rust(case("new-rust")).seconds(600).check(new_in_rust),
        case("new-refuses").given("there", 0o644, "mine").check(refused),
        case("next-steps").needs_program("make").needs_program("cc").check(next_steps),
        case("cflags").needs_program("cc").check(flags),
        case("nothing-beside").check(nothing_beside),
    ]
}

/// A case that has cargo, with what is kept of the crates that it needs.
pub(super) fn rust(case: Case) -> Case {
    let cargo = Path::new(env!("CARGO"));
    let tools = cargo.parent().unwrap_or(cargo).display();
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    case.needs_program("cc")
        .variable("PATH", format!("{tools}:{PATH}"))
        .variable("CARGO_HOME", home.unwrap_or_default().display().to_string())
        .variable("VLOAD", "{vload}")
}

/// Runs lines in one folder, natively.
fn run(bench: &Bench<'_>, lines: &[&str]) -> Result<Outcome> {
    bench.run_command(Host::Native, &["/bin/sh", "-ec", &lines.join("\n")])
}

/// From `vload new` to a passing test it takes three commands.
fn passes(bench: &Bench<'_>, lines: &[&str; 3], said: &str) -> Result<()> {
    let outcome = run(bench, lines)?;
    let (text, errors) = (outcome.text(), outcome.error_text());
    ensure!(outcome.success(), "{lines:?}: {}: {text}{errors}", outcome.end);
    ensure!(text.contains(said), "{lines:?} says {text}{errors}");
    // And the commands are those that are printed.
    let printed = lines[1..].iter().all(|line| text.contains(&format!("    {line}\n")));
    ensure!(printed, "{lines:?} is not what is printed: {text}");
    Ok(())
}

fn new_in_c(bench: &Bench<'_>) -> Result<()> {
    let lines = ["{vload} new greet --lang c", "cd greet", "make check"];
    passes(bench, &lines, "greet: passed\n")?;
    // The test finds a module that does something else.
    let changed = [
        "{vload} new my-first_1 --lang=c >/dev/null; cd my-first_1; make -s check",
        "sed -i 's/Hello from/Bye from/' my-first_1.c; make -s check 2>&1 || echo found",
        "make -s install; cd /; {vload} -m my-first_1 cat /my-first_1",
    ];
    let outcome = run(bench, &changed)?;
    let said =
        "my-first_1: passed\nthe file: 'Bye from my-first_1!' and not 'Hello from my-first_1!'\n";
    let (text, errors) = (outcome.text(), outcome.error_text());
    ensure!(text.starts_with(said), "{text}{errors}");
    ensure!(text.ends_with("found\nBye from my-first_1!\n"), "{text}{errors}");
    Ok(())
}

fn new_in_rust(bench: &Bench<'_>) -> Result<()> {
    let lines = ["{vload} new my-greet --lang rust", "cd my-greet", "cargo test"];
    passes(bench, &lines, "test result: ok. 4 passed; 0 failed")?;
    // What cargo builds without `--release` is a module too, and the lock file is as cargo would write it.
    let lines = [
        "{vload} new my-greet --lang rust >/dev/null; cd my-greet",
        "cargo build --quiet --locked",
        "{vload} -m target/debug/libmy_greet.so cat /my-greet",
    ];
    let outcome = run(bench, &lines)?;
    ensure!(outcome.text() == "Hello from my-greet!\n", "{}", outcome.error_text());
    Ok(())
}

fn refused(bench: &Bench<'_>) -> Result<()> {
    let long = "a".repeat(32);
    let cases: [(&[&str], i32, &str); 14] = [
        (&["x"], 125, "say what it is written in: --lang rust, or --lang c"),
        (&["--lang", "c"], 125, "the module needs a name"),
        (&["x", "--lang", "go"], 125, "in 'rust' or in 'c', not in 'go'"),
        (&["x", "--lang"], 125, "in 'rust' or in 'c', not in ''"),
        (&["x", "y", "--lang", "c"], 125, "one name, and 'y' is another"),
        (&["x", "--force", "--lang", "c"], 125, "unknown option '--force'"),
        (&["9x", "--lang", "c"], 1, "'9x': a module's name begins with a letter"),
        (&["", "--lang", "c"], 1, "'': a module's name begins with a letter"),
        (&["a/b", "--lang", "c"], 1, "'a/b': a module's name has letters, digits, - and _"),
        (&[&long, "--lang", "c"], 1, "at most 31 letters"),
        (&["count", "--lang", "c"], 1, "a part of vload has that name"),
        (&["service", "--lang", "rust"], 1, "a part of vload has that name"),
        (&["match", "--lang", "rust"], 1, "a Rust crate cannot have that name"),
        (&["there", "--lang", "c"], 1, "there: it is there already, and stays as it is"),
    ];
    for (words, code, said) in cases {
        let words = [&["new"], words].concat();
        let outcome = bench.vload_alone(&words)?;
        let errors = outcome.error_text();
        ensure!(outcome.code() == Some(code), "{words:?}: {}: {errors}", outcome.end);
        ensure!(errors.contains(said), "{words:?}: {errors}");
        let mut left = fs::read_dir(bench.folder())?.flatten().map(|entry| entry.file_name());
        ensure!(left.all(|name| name == "there"), "{words:?} leaves something");
    }
    ensure!(fs::read(bench.folder().join("there"))? == b"mine", "a file is changed");
    Ok(())
}

/// Who has no compiler hears of it, and who has vload in no folder of `PATH` how its place is told.
fn next_steps(bench: &Bench<'_>) -> Result<()> {
    let said = |line: &str| run(bench, &[line]).map(|outcome| outcome.text());
    let c = said("PATH= {vload} new x --lang c")?;
    ensure!(c.contains("\nNot found in PATH: make and cc. Install "), "{c}");
    let exported = bench.word("    export VLOAD={vload} ");
    ensure!(c.contains(&exported), "{c}");
    let rust = said("PATH= {vload} new x --lang rust")?;
    ensure!(rust.contains("\nNot found in PATH: cargo. Install rustup.rs"), "{rust}");
    // A shell finds it too where its folder has what shells give a meaning to: the printed lines are run.
    let odd = r#"bin="it's \$a b/bin"; mkdir -p "$bin/module"; beside=$(dirname {vload})
        cp {vload} $beside/vload-tool $beside/libvload_service.so "$bin"; cp -r $beside/module/include "$bin/module"
        PATH=/usr/bin:/bin "$bin/vload" new x --lang c | grep '^    ' >lines; . ./lines"#;
    let odd = run(bench, &[odd])?;
    ensure!(odd.text().ends_with("x: passed\n"), "{}{}", odd.text(), odd.error_text());
    let found = said("PATH=$(dirname {vload}):$PATH; vload new x --lang c")?;
    ensure!(!found.contains("export") && found.ends_with("\n    make check\n"), "{found}");
    Ok(())
}

/// `cc $(vload cflags)` is all that a module takes.
fn flags(bench: &Bench<'_>) -> Result<()> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../modules");
    for (name, path) in [("hello", "/hello"), ("useless", "/dev/useless")] {
        let source = sources.join(name).join(name).with_extension("c");
        let compile =
            format!("cc $({{vload}} cflags) -Wall -Werror -o {name}.so {}", source.display());
        let load = format!("{{vload}} -m ./{name}.so stat -c %n {path}");
        let outcome = run(bench, &[&compile, &load])?;
        ensure!(outcome.text() == format!("{path}\n"), "{name}: {}", outcome.error_text());
    }
    let outcome = bench.vload_alone(&["cflags", "hello.c"])?;
    ensure!(outcome.code() == Some(125), "{}", outcome.end);
    ensure!(outcome.error_text().contains("cflags takes no 'hello.c'"), "{}", outcome.error_text());
    Ok(())
}

/// A program that was copied away from its header and its crate says what is missing, and writes nothing.
fn nothing_beside(bench: &Bench<'_>) -> Result<()> {
    for (words, missing) in [
        ("cflags", "no 'vload/module.h' in "),
        ("new x --lang c", "no 'vload/module.h' in "),
        ("new x --lang rust", "no 'Cargo.toml' in "),
    ] {
        let copy = "mkdir -p p/bin; cp {vload} $(dirname {vload})/vload-tool p/bin; cd p";
        let line = format!("bin/vload {words} || echo $?; ls");
        let outcome = run(bench, &[copy, &line])?;
        let errors = outcome.error_text();
        ensure!(outcome.text() == "1\nbin\n", "{words}: {:?}: {errors}", outcome.text());
        let folder = bench.word("{dir}/p/bin/../");
        ensure!(errors.contains(missing) && errors.contains(&folder), "{words}: {errors}");
        ensure!(errors.contains("'cargo xtask install' puts it there"), "{words}: {errors}");
    }
    Ok(())
}
