//! A session as a person types it: the fourth chapter of the thesis on UMView, in `vload bash` on a pseudo terminal.

use crate::case::Case;
use crate::execute::Bench;
use crate::needs::{Need, PATH};
use crate::programs::Build;
use crate::terminal::Terminal;
use anyhow::{Result, ensure};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("session/{name}")).plain_only().needs_program("bash");
    let chapter = |name: &str| {
        case(name)
            .build(Build::cxx("simple_read.cpp"))
            .needs(Need::Root)
            .seconds(60)
            .check(chapter_four)
    };
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    vec![
        chapter("chapter-four"),
        // "Additional permissions" it takes none.
        chapter("chapter-four-of-nobody").needs_program("setpriv").within(&nobody),
    ]
}

/// `vload bash` with modules beside it, in the case's folder.
fn shell(bench: &Bench<'_>) -> Result<Terminal> {
    let folder = bench.folder();
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
    let tools = bench.machine.work.join("bin");
    let home = &bench.machine.home;
    let words = ["{vload}", "bash", "--norc", "--noprofile", "--noediting", "-i"];
    let mut wrapped = bench.case.wrapper.clone();
    wrapped.extend(words.map(|word| bench.word(word)));
    let path = format!("{}:{PATH}", tools.display());
    let variables = [("PATH", path.as_str()), ("HOME", &home.display().to_string())];
    Terminal::start(&wrapped, &variables, &folder, bench.case.timeout)
}

/// Outside, natively and in another session, there is nothing of what the modules give.
fn nothing_outside(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.word("{vload}");
    for words in [&["ls", "/unreal"], &["cat", "/dev/useless"], &["cat", "/hello"]] {
        for host in [&[][..], &[vload.as_str()]] {
            let line: Vec<&str> = host.iter().chain(words).copied().collect();
            let output = Command::new(line[0]).args(&line[1..]).env("LC_ALL", "C").output()?;
            let errors = String::from_utf8_lossy(&output.stderr);
            let absent = errors.contains("No such file or directory");
            ensure!(!output.status.success() && absent, "outside, {line:?} says {errors:?}");
        }
    }
    Ok(())
}

fn chapter_four(bench: &Bench<'_>) -> Result<()> {
    let mut shell = shell(bench)?;
    let file = bench.folder().join("file");
    let unreal = format!("/unreal{}", file.display());
    let read = bench.word("{0}");
    let names = |text: &str| {
        let mut names: Vec<String> = text.split_whitespace().map(Into::into).collect();
        names.sort();
        names
    };
    // 4.2: nothing is loaded; loading.
    let nothing = shell.types("vload lsmod")?;
    ensure!(!nothing.contains("unreal"), "before: {nothing}");
    let gone = "No such file or directory";
    ensure!(shell.types("ls /unreal")?.contains(gone), "/unreal is there already");
    ensure!(shell.types("vload insmod unreal")?.is_empty(), "insmod says something");
    // 4.3: the mirror.
    let (mirror, real) = (shell.types("ls /unreal")?, shell.types("ls /")?);
    ensure!(names(&mirror) == names(&real) && names(&real).len() > 5, "{mirror:?} and {real:?}");
    ensure!(shell.types(&format!("echo unreal > {unreal}"))?.is_empty(), "cannot write");
    ensure!(shell.types(&format!("cat {unreal}"))? == "unreal\n", "cannot read back");
    ensure!(fs::read(&file)? == b"unreal\n", "the real file has something else");
    ensure!(shell.types("ls /unreal/unreal")?.contains(gone), "it mirrors itself");
    // 4.4: the device.
    ensure!(shell.types("vload insmod useless")?.is_empty(), "insmod says something");
    let said = shell.types("echo 'Hello UMView!' > /dev/useless")?;
    ensure!(said.is_empty(), "the device does not take it: {said}");
    let said = shell.types(&read)?;
    ensure!(said == "Hello UMView!\n", "the C++ program reads {said:?}");
    shell.types("bash -c 'echo \"from another process\" > /dev/useless'")?;
    let said = shell.types("cat /dev/useless")?;
    ensure!(said == "from another process\n", "cat reads {said:?}");
    // 5.3.1.
    ensure!(shell.types("vload insmod hello")?.is_empty(), "insmod says something");
    let said = shell.types("cat /hello")?;
    ensure!(said == "Hello UMView!\n", "/hello is {said:?}");
    let list = shell.types("vload lsmod")?;
    for name in ["unreal", "useless", "hello"] {
        ensure!(list.lines().any(|line| line.starts_with(name)), "no {name} in {list}");
    }
    nothing_outside(bench)?;
    // 4.4.1.
    for (name, path) in
        [("hello", "/hello"), ("unreal", "/unreal/tmp"), ("useless", "/dev/useless")]
    {
        ensure!(shell.types(&format!("vload rmmod {name}"))?.is_empty(), "rmmod says something");
        let said = shell.types(&format!("cat {path}"))?;
        ensure!(said.contains(gone), "{path} after rmmod: {said:?}");
    }
    let list = shell.types("vload lsmod")?;
    ensure!(list == nothing, "after: {list}");
    ensure!(shell.end()? == Some(0), "bash ends with an error");
    Ok(())
}
