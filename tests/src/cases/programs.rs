//! Real programs to their end, with identical output.

use crate::case::{Case, Rule};
use crate::confinement::FILTERED;
use crate::needs::PATH;
use crate::programs::Build;
use std::env;
use std::path::Path;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("program/{name}"));
    let mut cases = shells();
    cases.extend([
        case("true").run(&["/bin/true"]),
        case("false").run(&["/bin/false"]).exits(1),
        case("echo").run(&["echo", "a", "b c"]),
        case("cat").run(&["cat", "-", "/etc/passwd"]).stdin("from standard input\n"),
        case("ls").run(&["ls", "-l", "/usr/bin"]),
        case("missing-file").run(&["cat", "/no/such/file"]).exits(1),
        case("timeout").run(&["timeout", "0.2", "sleep", "10"]).exits(124),
        case("ldd")
            .run(&["ldd", "/bin/ls", "/usr/bin/python3"])
            .rule(Rule::Replace("0x[0-9a-f]+", "ADDRESS")),
        case("alarm-across-exec")
            .needs_program("perl")
            .shell("perl -e 'alarm 1; exec \"sleep\", \"5\"'; echo $?"),
        case("job-control")
            .needs_program("script")
            .run(&["script", "-qec", "bash --norc -ic 'cat </dev/null & fg; set -m; sleep 5 & kill -STOP %1; kill -9 %1; wait; echo $?' 2>&1 | tail -1", "/dev/null"]),
        case("yes-head").shell("yes | head -100000 | cksum"),
        case("xargs").shell("seq 1 200 | xargs -P 4 -n 10 echo | sort"),
        case("find").run(&["find", "/usr/share/doc", "-name", "*.gz", "-newer", "/etc/hostname"]),
        case("find-sort").shell("find /usr/lib /usr/bin -type f 2>&1 | sort | cksum"),
        case("tar")
            .prepare("mkdir tree; cp -r /usr/include/linux /usr/share/perl5 tree 2>/dev/null || true")
            .shell(
                "tar --sort=name -cf one.tar tree && mkdir out && tar -C out -xf one.tar && \
                 tar -C out --sort=name -cf two.tar tree && cmp one.tar two.tar && \
                 tar -czf three.tar.gz tree && tar -tzf three.tar.gz | sort | cksum",
            )
            .seconds(60)
            .plain_only(),
        case("python").needs_program("python3").run(&["python3", "{programs}/modules.py"]).exits(4).seconds(60),
        case("perl").needs_program("perl").run(&["perl", "{programs}/walk.pl"]).exits(4),
        case("sqlite")
            .needs_program("sqlite3")
            .shell("sqlite3 database < {programs}/statements.sql; echo $?; sqlite3 database .dump | cksum"),
        case("node").needs_program("node").run(&["node", "{programs}/events.js"]).exits(8).seconds(60)
            // How it reports that it cannot make code, where memory must not become executable.
            .rule(Rule::Replace("Object: 0x[0-9a-f]+", "Object: ADDRESS")),
        case("java")
            .needs_program("javac")
            .run(&["java", "-Xmx256m", "{programs}/Walk.java"]).exits(3)
            .seconds(120)
            .plain_only(),
        case("git")
            .needs_program("git")
            .prepare(REPOSITORY)
            .variable("GIT_CONFIG_GLOBAL", "/dev/null")
            .variable("GIT_AUTHOR_DATE", "2001-02-03T04:05:06Z")
            .variable("GIT_COMMITTER_DATE", "2001-02-03T04:05:06Z")
            .shell(
                "git clone -q repository copy && cd copy && git status && echo new > file50 && \
                 git status --short && git -c user.name=a -c user.email=b commit -qam change && \
                 git log --stat && git fsck --strict && git gc -q && git diff HEAD~1",
            )
            .seconds(60),
        case("gcc")
            .needs_program("gcc")
            .shell("gcc -O2 -c -o one.o {programs}/hello.c && gcc -o hello one.o && ./hello")
            .leaves("hello")
            .seconds(60),
        case("g++")
            .needs_program("g++")
            .shell("g++ -O0 -o exceptions {programs}/exceptions.cpp && ./exceptions")
            .leaves("exceptions")
            .exits(9)
            .seconds(120)
            .plain_only(),
        case("make")
            .needs_program("make")
            .given("Makefile", 0o644, "all: a b c\n%:\n\t@echo making $@; seq 1 1000 | cksum; date +x > $@\n")
            .run(&["make", "-j3", "-O"])
            .rule(Rule::Sorted),
        case("go-build")
            .needs_program("go")
            .variable("GOCACHE", "{work}/go-cache")
            .variable("GO111MODULE", "off")
            .variable("CGO_ENABLED", "0")
            // Fills the cache with the standard library; only the program itself is built then.
            .prepare("go build -o /dev/null {programs}/processes.go {programs}/processes.go 2>/dev/null \
                      || go build -o warm {programs}/processes.go; cp {programs}/hello.go .; \
                      echo \"// $$\" >> hello.go")
            .shell("sed -i '$d' hello.go; go vet hello.go; go build -trimpath -o hello hello.go && ./hello")
            .leaves("hello")
            .seconds(300)
            .plain_only(),
        // It translates the program's instructions, and reads them where it has mapped the file.
        case("valgrind")
            .needs_program("valgrind")
            .build(Build::c_with("threads.c", "", &["-pthread"]))
            .run(&["valgrind", "-q", "--trace-children=yes", "--error-exitcode=9", "{0}"])
            .rule(Rule::Replace(r"==\d+==", "==N=="))
            .not_under(FILTERED)
            .seconds(120)
            .plain_only(),
        case("gdb")
            .needs_program("gdb")
            .build(Build::c_with("threads.c", "debug", &["-g", "-O0"]))
            .run(&[
                "gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex",
                "break calls", "-ex", "run", "-ex", "info args", "-ex", "bt 1", "-ex", "delete",
                "-ex", "continue", "{0}",
            ])
            .rule(Rule::Replace("0x[0-9a-f]+", "ADDRESS"))
            .rule(Rule::Replace(r"LWP \d+", "LWP N"))
            // Where ptrace or /proc is missing, the messages have the numbers.
            .rule(Rule::Replace(r"lwp \d+\.\d+", "lwp N"))
            .rule(Rule::Replace(r"/proc/\d+", "/proc/N"))
            .rule(Rule::Replace(r"process \d+", "process N"))
            // Threads come and go in any order.
            .rule(Rule::Without("[New Thread"))
            .rule(Rule::Without("[New process"))
            .rule(Rule::Without("[New LWP"))
            // It tries as often as it finds the time to.
            .rule(Rule::Without("unable to open /proc file"))
            .rule(Rule::Without("exited]"))
            .rule(Rule::Without("[Switching to"))
            .rule(Rule::Replace(r"Thread \d+", "Thread N"))
            .seconds(60)
            // A process has one tracer.
            .never_bounced()
            .plain_only(),
        case("vim")
            .needs_program("vim.tiny")
            .needs_program("script")
            .given("keys", 0o644, "ihello\x1bothere\x1bgg0rJ:%s/the/THE/\r:wq\r")
            .run(&["script", "-qec", "stty rows 24 cols 80; TERM=vt100 vim.tiny -N -u NONE -i NONE -n -s keys text", "/dev/null"])
            .leaves("text")
            .seconds(60),
        cargo_build(),
    ]);
    cases
}

/// One script by every shell.
fn shells() -> Vec<Case> {
    let shell = |name: &str, program: &'static str, words: &[&str]| {
        let mut words = words.to_vec();
        words.push("{programs}/shell.sh");
        Case::new(format!("program/{name}")).needs_program(program).run(&words).exits(5).seconds(60)
    };
    vec![
        shell("bash", "bash", &["bash"]),
        shell("dash", "dash", &["dash"]),
        shell("busybox", "busybox", &["busybox", "sh"]),
    ]
}

/// A repository of two commits.
const REPOSITORY: &str = "
git init -q repository
cd repository
for i in $(seq 1 100); do echo $i > file$i; done
git add .
git -c user.name=a -c user.email=b commit -qm first
seq 1 1000 > file1
git -c user.name=a -c user.email=b commit -qam second
";

/// The cargo that runs the tests builds a crate without dependencies.
fn cargo_build() -> Case {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "/usr/bin/cargo".into());
    let folder = Path::new(&cargo).parent().unwrap_or(Path::new("/usr/bin")).display().to_string();
    Case::new("program/cargo")
        .variable("PATH", format!("{folder}:{PATH}"))
        .variable("CARGO_HOME", "{dir}/home")
        .prepare(
            "mkdir -p src; \
             printf '[package]\\nname = \"small\"\\nversion = \"0.1.0\"\\nedition = \"2021\"\\n' > Cargo.toml; \
             printf 'fn main() { println!(\"{}\", (1..=20u64).product::<u64>()); }\\n' > src/main.rs",
        )
        .shell("cargo build --offline --quiet && ./target/debug/small && cargo test --offline --quiet 2>&1 | grep -c passed")
        .seconds(180)
        .plain_only()
}
