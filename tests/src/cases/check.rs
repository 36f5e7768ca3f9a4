//! `vload check`: what it says of a file is what the patcher finds, and what a disassembler sees.

use crate::arch::Arch;
use crate::case::Case;
use crate::execute::{Bench, Host, Outcome};
use crate::needs::{Need, find_program};
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use runtime::patch::{self, ShapeSet};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// A program whose text it may write to: what it makes of its code there is not known.
const WRITABLE: Build = Build::c_with(
    "tiny.c",
    "writable",
    &[
        "-nostdlib",
        "-static",
        "-no-pie",
        "-ffreestanding",
        "-fno-stack-protector",
        "-Wl,--omagic",
        "-Wl,--build-id=none",
    ],
);

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("check/{name}")).plain_only();
    vec![
        case("patcher").run(&[]).check(patcher),
        case("disassembler").build(Build::c("hello.c")).everywhere().check(disassembler),
        case("interpreter").given("script", 0o755, "#!{dir}/again -x\n").check(interpreter),
        case("libraries").needs_program("ldd").prepare(LIBRARIES).run(&[]).check(libraries),
        case("unproven")
            .build(WRITABLE)
            .everywhere()
            .not_under(&["deny-user-dispatch"])
            .check(unproven),
        case("stack")
            .build(Build::c_with("hello.c", "stack", &["-zexecstack"]))
            .not_under(&["deny-user-dispatch"])
            .check(stack),
        // A name is looked up by the descriptor's path.
        case("skip").run(&["/bin/true"]).not_under(&["bwrap", "no-proc"]).check(skip),
        case("unreadable")
            .given("text", 0o644, "no program\n")
            .run(&[])
            .not_under(&["bwrap"])
            .check(unreadable),
        case("names").run(&[]).check(names),
        case("colour")
            .needs(Need::Program("script"))
            .run(&["/bin/true"])
            .not_under(&["bwrap"])
            .check(colour),
    ]
}

/// `vload check --json` of these words.
fn json(bench: &Bench<'_>, words: &[&str]) -> Result<(Outcome, Value)> {
    let vload = bench.machine.vload.display().to_string();
    let outcome = bench.run_command(Host::Words(&[&vload, "check", "--json"]), words)?;
    let value = serde_json::from_slice(&outcome.stdout).with_context(|| {
        format!("{}: {:?}, {:?}", outcome.end, outcome.text(), outcome.error_text())
    })?;
    Ok((outcome, value))
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value[name].as_array().with_context(|| format!("no array {name} in {value}"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no string {name} in {value}"))
}

fn number(value: &Value, name: &str) -> Result<u64> {
    value[name].as_u64().with_context(|| format!("no number {name} in {value}"))
}

/// The addresses of a file's sites in this state, with what is said of each.
fn sites<'a>(file: &'a Value, state: &str) -> Result<BTreeMap<u64, &'a Value>> {
    let mut found = BTreeMap::new();
    for site in list(file, "sites")? {
        let address = text(site, "address")?;
        let digits = address.strip_prefix("0x").context("an address without 0x")?;
        if text(site, "state")? == state {
            found.insert(u64::from_str_radix(digits, 16)?, site);
        }
    }
    Ok(found)
}

/// Each site of real programs and libraries is listed with the shape, the number and the reason
/// that the patcher has for it.
fn patcher(bench: &Bench<'_>) -> Result<()> {
    let all = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2", "/bin/busybox"];
    let there: Vec<&str> =
        all.into_iter().filter(|path| fs::exists(path).is_ok_and(|is| is)).collect();
    let (outcome, found) = json(bench, &there)?;
    ensure!(outcome.success(), "{}", outcome.end);
    for path in there {
        let files = list(&found, "files")?;
        let file = files.iter().find(|file| file["path"] == path).context("a file is missing")?;
        let bytes = fs::read(path)?;
        let plan = patch::analyze(&bytes, &ShapeSet::default(), &|_| false)
            .map_err(|error| anyhow::anyhow!("{path}: {error:?}"))?;
        let listed = sites(file, "patched")?;
        ensure!(
            listed.len() == plan.sites().len() && listed.len() > 30,
            "{path}: {}",
            listed.len()
        );
        for site in plan.sites() {
            let listed = listed.get(&site.vaddr).with_context(|| format!("{path}: {site:x?}"))?;
            ensure!(text(listed, "shape")? == site.shape.name(), "{path}: {site:x?}: {listed}");
            let fixed = listed["number"].as_u64() == site.number.map(u64::from);
            ensure!(fixed, "{path}: {site:x?}: {listed}");
        }
        for (state, is_hole) in [("watched", true), ("no-call", false)] {
            let listed = sites(file, state)?;
            let refused = plan.refused().iter().filter(|one| one.reason.is_hole() == is_hole);
            let expected: BTreeMap<u64, &str> =
                refused.map(|one| (one.vaddr, one.reason.name())).collect();
            ensure!(listed.len() == expected.len(), "{path}: {listed:?}, not {expected:?}");
            for (address, reason) in expected {
                let said = listed.get(&address).map(|one| text(one, "reason")).transpose()?;
                ensure!(said == Some(reason), "{path}: {address:#x}: {said:?}, not {reason}");
            }
        }
        let shapes = file["shapes"].as_object().context("no counts by shape")?;
        let sum: u64 = shapes.values().filter_map(Value::as_u64).sum();
        ensure!(sum == number(file, "patched")?, "{path}: the counts make {sum}");
    }
    Ok(())
}

/// Whether a line of a disassembly is an instruction that enters the kernel.
fn enters(arch: Arch, mnemonic: &str) -> bool {
    match arch {
        Arch::X86_64 => mnemonic == "syscall" || mnemonic.starts_with("int $0x80"),
        Arch::I686 => mnemonic.starts_with("int $0x80"),
        Arch::Aarch64 => mnemonic.starts_with("svc"),
        Arch::Riscv64 => mnemonic.starts_with("ecall"),
    }
}

/// The sites of the C library and of its ld.so are the instructions that a disassembler sees.
fn disassembler(bench: &Bench<'_>) -> Result<()> {
    let arch = bench.machine.arch;
    let [tool, arguments @ ..] = arch.disassembler() else { anyhow::bail!("no disassembler") };
    let tool = find_program(tool).with_context(|| format!("{tool} is not installed"))?;
    let program = bench.word("{0}");
    let (_, found) = json(bench, &["--needed", &program])?;
    let mut total = 0;
    for file in list(&found, "files")? {
        let mut path = text(file, "path")?.to_owned();
        if let Some(emulator) = arch.emulator()
            && file["role"] != "named"
        {
            path = format!("{}{path}", emulator.libraries);
        }
        let output = Command::new(&tool).args(arguments).arg(&path).output()?;
        ensure!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let listing = String::from_utf8_lossy(&output.stdout);
        let seen: BTreeSet<u64> = listing
            .lines()
            .filter_map(|line| {
                let mut fields = line.split('\t');
                let address = fields.next()?.trim().strip_suffix(':')?;
                let mnemonic = fields.nth(1)?.trim().replace("  ", " ");
                let mnemonic = mnemonic.split_whitespace().collect::<Vec<_>>().join(" ");
                enters(arch, &mnemonic).then(|| u64::from_str_radix(address, 16).ok())?
            })
            .collect();
        let listed: BTreeSet<u64> = sites(file, "patched")?.into_keys().collect();
        let differ: Vec<_> =
            seen.symmetric_difference(&listed).map(|at| format!("{at:#x}")).collect();
        ensure!(differ.is_empty(), "{path}: {differ:?}");
        total += listed.len();
    }
    // 32-bit x86 has few: its libc enters the kernel through the vDSO.
    ensure!(total > 50, "only {total} sites");
    Ok(())
}

/// A script leads to its interpreter, through other scripts, and on to the interp.
fn interpreter(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let again = "ln -s /bin/sh again; exec \"$@\"";
    let outcome = bench.run_command(
        Host::Words(&["/bin/sh", "-c", again, "sh", &vload, "check", "--json"]),
        &["script"],
    )?;
    let found: Value = serde_json::from_slice(&outcome.stdout)?;
    let roles: Vec<&str> =
        list(&found, "files")?.iter().map(|file| text(file, "role")).collect::<Result<_>>()?;
    ensure!(roles == ["named", "interpreter", "interp"] && outcome.success(), "{found}");
    let files = list(&found, "files")?;
    ensure!(files[0]["state"] == "interpreted" && files[2]["by"] == files[1]["path"], "{found}");
    Ok(())
}

/// A program with a library beside it, and one of a library's own.
const LIBRARIES: &str = "
mkdir lib lib/deep
echo 'int g(void) { return 2; }' > g.c
echo 'int g(void); int f(void) { return g(); }' > f.c
echo 'int f(void); int main(void) { return f() - 2; }' > main.c
cc -shared -fPIC -o lib/deep/libg.so g.c
cc -shared -fPIC -o lib/libf.so f.c -Llib/deep -lg
cc -o runpath main.c -Llib -lf '-Wl,-rpath,$ORIGIN/lib' -Wl,-rpath-link,lib/deep
cc -o rpath main.c -Llib -lf -Wl,-rpath-link,lib/deep -Wl,--disable-new-dtags '-Wl,-rpath,$ORIGIN/lib:${ORIGIN}/lib/deep'
";

/// The libraries of `--needed` are those that ld.so finds.
fn libraries(bench: &Bench<'_>) -> Result<()> {
    let folder = bench.folder();
    for (program, variable, complete) in [
        ("/bin/ls", "", true),
        ("./rpath", "", true),
        ("./runpath", "", false),
        ("./runpath", "/nowhere:lib/deep", true),
    ] {
        let vload = bench.machine.vload.display().to_string();
        let setting = format!("LD_LIBRARY_PATH={variable}");
        let words = ["env", &setting, &vload, "check", "--json", "--needed"];
        let outcome = bench.run_command(Host::Words(&words), &[program])?;
        let found: Value = serde_json::from_slice(&outcome.stdout)?;
        ensure!(outcome.code() == Some(if complete { 0 } else { 127 }), "{program}: {found}");
        let mut checked = BTreeSet::new();
        for file in list(&found, "files")? {
            let path = text(file, "path")?;
            match text(file, "role")? {
                "named" => {}
                _ if file["state"] == "unreadable" => {
                    checked.insert(format!("{path} not found"));
                }
                _ => {
                    checked.insert(fs::canonicalize(folder.join(path))?.display().to_string());
                }
            }
        }
        let ldd = Command::new("ldd")
            .arg(program)
            .env("LD_LIBRARY_PATH", variable)
            .current_dir(&folder)
            .output()?;
        let mut loaded = BTreeSet::new();
        for line in String::from_utf8_lossy(&ldd.stdout).lines().map(str::trim) {
            let (name, path) = line.split_once(" => ").unwrap_or((line, line));
            match path.split(' ').next() {
                Some("not") => loaded.insert(format!("{name} not found")),
                Some(path) if path.contains('/') => {
                    loaded.insert(fs::canonicalize(folder.join(path))?.display().to_string())
                }
                _ => false,
            };
        }
        ensure!(checked == loaded, "{program}: {checked:?}, and ldd has {loaded:?}");
    }
    Ok(())
}

/// A site that is not proven is named with its reason, and counted: as watched, or, where a run would not
/// be, as uncovered, which the exit status tells too.
fn unproven(bench: &Bench<'_>) -> Result<()> {
    let program = bench.word("{0}");
    let vload = bench.machine.vload.display().to_string();
    let deny = ["{confine}", "deny-user-dispatch", vload.as_str()];
    let free = &deny[2..];
    let places = if bench.machine.arch == Arch::X86_64 {
        vec![
            (free, "auto", "offered", "watched"),
            (free, "never", "never", "uncovered"),
            (&deny[..], "auto", "refused", "uncovered"),
        ]
    } else {
        vec![(free, "auto", "processor", "uncovered")]
    };
    for (within, policy, watch, state) in places {
        let words: Vec<&str> = within.iter().copied().chain(["check", "--watch", policy]).collect();
        let run = |more: &[&str]| {
            let words: Vec<&str> = words.iter().chain(more).copied().collect();
            bench.run_command(Host::Words(&words), &[&program])
        };
        let outcome = run(&["--json"])?;
        let found: Value = serde_json::from_slice(&outcome.stdout)?;
        let covered = state == "watched";
        ensure!(outcome.code() == Some(i32::from(!covered)), "{}: {found}", outcome.end);
        let file = &list(&found, "files")?[0];
        let (open, summary) = (sites(file, state)?, &found["summary"]);
        ensure!(!open.is_empty() && number(file, state)? == open.len() as u64, "{file}");
        ensure!(open.values().all(|site| site["reason"] == "writable"), "{file}");
        ensure!(file["writable"] == serde_json::json!(["writable-text"]), "{file}");
        ensure!(number(summary, state)? == open.len() as u64, "{summary}");
        ensure!(summary["watch"] == watch, "{summary}");
        let (outcome, begin) = (run(&[])?, if covered { "  watched: " } else { "  not covered: " });
        let lines = outcome.text();
        let said = lines.lines().filter(|line| line.starts_with(begin)).collect::<Vec<_>>();
        let named = said.iter().filter(|line| line.contains("the segment is writable")).count();
        ensure!(named == open.len() && said.len() == named + 1, "{lines}");
        let told = lines.contains("code that is made as it runs is not seen");
        ensure!(told != covered && outcome.code() == Some(i32::from(!covered)), "{lines}");
    }
    Ok(())
}

/// A program that can execute what it writes on its stack.
fn stack(bench: &Bench<'_>) -> Result<()> {
    let program = bench.word("{0}");
    let (outcome, found) = json(bench, &[&program])?;
    let file = &list(&found, "files")?[0];
    ensure!(outcome.success(), "{}: {found}", outcome.end);
    ensure!(file["writable"] == serde_json::json!(["executable-stack"]), "{file}");
    let vload = bench.machine.vload.display().to_string();
    let outcome = bench.run_command(Host::Words(&[&vload, "check"]), &[&program])?;
    let line = "  watched: code that the program writes: the stack is executable\n";
    ensure!(outcome.text().contains(line), "{}", outcome.text());
    Ok(())
}

/// `--skip` and `--shapes` count as they would in a run.
fn skip(bench: &Bench<'_>) -> Result<()> {
    let libc = "/lib/x86_64-linux-gnu/libc.so.6";
    let (_, found) = json(bench, &[libc])?;
    let all = sites(&found["files"][0], "patched")?;
    let (&first, _) = all.first_key_value().context("no sites")?;
    let (outcome, found) = json(bench, &["--skip", &format!("libc.so.6:{first:x}"), libc])?;
    let open = sites(&found["files"][0], "uncovered")?;
    ensure!(outcome.code() == Some(1), "{}", outcome.end);
    ensure!(open.keys().eq([&first]) && open[&first]["reason"] == "skipped", "{open:?}");
    let (_, found) = json(bench, &["--shapes=trap", libc])?;
    let shapes = &found["files"][0]["shapes"];
    ensure!(shapes["trap"].as_u64() == Some(all.len() as u64), "{shapes}");
    Ok(())
}

/// What cannot be judged is said, with the statuses of shells; the rest is judged still.
fn unreadable(bench: &Bench<'_>) -> Result<()> {
    for (words, status, errno) in [
        (&["text"][..], 126, "ENOEXEC"),
        (&["."], 126, "EISDIR"),
        (&["/dev/zero"], 126, "EACCES"),
        (&["missing"], 127, "ENOENT"),
        (&["text/below"], 127, "ENOTDIR"),
        (&["missing", "/bin/true", "text"], 127, "ENOENT"),
    ] {
        let (outcome, found) = json(bench, words)?;
        ensure!(outcome.code() == Some(status), "{words:?}: {}", outcome.end);
        let first = &found["files"][0];
        ensure!(first["state"] == "unreadable" && first["errno"] == errno, "{words:?}: {found}");
        ensure!(number(&found["summary"], "status")? == status as u64, "{found}");
        let judged = list(&found, "files")?.iter().filter(|file| file["state"] == "mapped");
        let program = words.contains(&"/bin/true");
        ensure!(judged.count() == if program { 2 } else { 0 }, "{words:?}: {found}");
    }
    let vload = bench.machine.vload.display().to_string();
    for words in [&[][..], &["--"], &["--no-such-option", "/bin/true"]] {
        let outcome = bench.run_command(Host::Words(&[&vload, "check"]), words)?;
        ensure!(outcome.code() == Some(125) && outcome.stdout.is_empty(), "{words:?}");
    }
    Ok(())
}

/// A path may hold anything but NUL, and the output is JSON still.
fn names(bench: &Bench<'_>) -> Result<()> {
    let name = "quote\" back\\ new\nline tab\t bell\x07 del\x7f ünï \u{1f600}";
    let (outcome, found) = json(bench, &["--", name, "--json"])?;
    ensure!(outcome.code() == Some(127), "{}", outcome.end);
    ensure!(found["files"][0]["path"] == name, "{found}");
    ensure!(found["files"][1]["path"] == "--json", "{found}");
    let vload = bench.machine.vload.display().to_string();
    let broken = "exec \"$0\" check --json \"$(printf 'a\\377b')\"";
    let outcome = bench.run_command(Host::Words(&["/bin/sh", "-c", broken, &vload]), &[])?;
    let found: Value = serde_json::from_slice(&outcome.stdout)?;
    ensure!(found["files"][0]["path"] == "a\u{fffd}b", "{found}");
    Ok(())
}

/// Colour is for terminals.
fn colour(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let outcome = bench.vload(&["check"])?;
    ensure!(!outcome.stdout.contains(&0x1b), "colour in a file: {:?}", outcome.text());
    let terminal = |setting: &str| -> Result<Outcome> {
        let line = format!("env {setting} {vload} check /bin/true");
        bench.run_command(Host::Words(&["script", "-qec", &line, "/dev/null"]), &[])
    };
    let has_colour = |setting| terminal(setting).map(|outcome| outcome.text().contains("\x1b[32m"));
    ensure!(has_colour("TERM=xterm")?, "no colour on a terminal");
    ensure!(!has_colour("TERM=dumb")?, "colour on a terminal that has none");
    ensure!(!has_colour("TERM=xterm NO_COLOR=1")?, "colour in spite of NO_COLOR");
    Ok(())
}
