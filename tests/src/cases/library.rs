//! Where a module's name is looked for, and what `lsmod` says of what was found.

use super::modules::{NO_PROC, expect};
use crate::case::Case;
use crate::execute::{Bench, Host, Outcome};
use anyhow::{Context, Result, ensure};

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("library/{name}")).plain_only().run(&["{vload}"]);
    vec![
        case("folders").needs_program("cc").check(folders),
        case("no-module").needs_program("cc").check(no_module),
        case("list-of-services").check(listed),
        // A descriptor of a virtual file is opened through /proc.
        case("files-are-gone").not_under(NO_PROC).check(files_are_gone),
    ]
}

/// A vload that is installed below `prefix`, without its modules.
const INSTALLED: &str = "mkdir -p prefix/bin prefix/lib/vload; cp {vload} prefix/bin; \
    beside=$(dirname {vload}); cp $beside/vload-tool $beside/libvload_service.so prefix/lib/vload";

/// Compiles, as `$1`, a module of the name `$2` whose file `/where` has the text `$3`.
const MODULE: &str = r#"module() {
    mkdir -p $(dirname $1)
    cat >source.c <<END
#include <vload/module.h>
static const char text[] = "$3\n";
static int file_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{ return 0; }
static long file_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    size_t rest = offset < (int64_t)sizeof text - 1 ? sizeof text - 1 - offset : 0;
    length = length < rest ? length : rest;
    memcpy(to, text + offset, length);
    return length;
}
static int file_stat(const struct vload_node *node, struct vload_stat *known)
{
    *known = (struct vload_stat){ .inode = 1, .mode = 0100444, .links = 1, .size = sizeof text - 1 };
    return 0;
}
static int init(struct vload_layer *layer)
{
    int claim = vload_claim_path(layer, "/where", VLOAD_CLAIM_EXACT, 0);
    return claim < 0 ? claim : 0;
}
static const struct vload_service calls = { .open = file_open, .read = file_read, .stat = file_stat };
VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_SERVICE,
    .name = "$2", .description = "from $3", .init = init, .operations = &calls,
};
END
    cc $({vload} cflags) -o $1 source.c
}"#;

fn run(bench: &Bench<'_>, lines: &[&str]) -> Result<Outcome> {
    bench.run_command(Host::Native, &["/bin/sh", "-ec", &lines.join("\n")])
}

/// The user's folder comes first, then the one of the installation, then that of the program; each by `-m`, and the
/// one that is left by `insmod` too.
fn folders(bench: &Bench<'_>) -> Result<()> {
    let outcome = run(
        bench,
        &[
            INSTALLED,
            MODULE,
            "module data/vload/modules/place.so place data",
            "module home/.local/share/vload/modules/place.so place home",
            "module prefix/lib/vload/place.so place installed",
            "module prefix/bin/place.so place beside",
            "export HOME=$PWD/home; vload=$PWD/prefix/bin/vload; look() { $vload -m place cat /where; }",
            "XDG_DATA_HOME=$PWD/data look; look",
            // A path that is relative is none (XDG Base Directory Specification).
            "XDG_DATA_HOME=data look",
            // A folder of that name is no module's file.
            "rm home/.local/share/vload/modules/place.so; mkdir home/.local/share/vload/modules/place.so; look",
            "rm prefix/lib/vload/place.so; look",
            "cd /; $vload sh -c \"$vload insmod place; cat /where\"; cd - >/dev/null",
            "rm prefix/bin/place.so; look 2>&1 || echo $?",
        ],
    )?;
    let none = "vload: -m: place: there is no module 'place', nor 'place.so' where modules are; \
                built in are: count, forward\n125\n";
    expect(&outcome, &format!("data\nhome\nhome\ninstalled\nbeside\nbeside\n{none}"))
}

/// What is found by a name and is no module is refused with words, wherever it is named.
fn no_module(bench: &Bench<'_>) -> Result<()> {
    let refused: [(&str, &str, &str); 7] = [
        // The library that enters processes is beside the program, and so is what services rest on.
        ("vload", "cp $(dirname {vload})/libvload.so prefix/lib/vload", "/libvload.so: it "),
        ("service", ":", "/libvload_service.so: it is no module, but what services rest on"),
        ("text", "echo text >prefix/bin/text.so", "/text.so: it is no shared object"),
        ("empty", ": >prefix/bin/empty.so", "/empty.so: it is no shared object"),
        (
            "plain",
            "echo 'int x;' >x.c; cc -shared -nostdlib -o prefix/bin/libplain.so x.c",
            "/libplain.so: it exports no 'vload_module'",
        ),
        // Nothing is exported, so the table of symbols has no end that its hash table tells.
        (
            "hidden",
            "echo 'int puts(const char *); int x(void) { return puts(\"\"); }' >x.c; \
             cc $({vload} cflags) -o prefix/bin/hidden.so x.c",
            "/hidden.so: it exports no 'vload_module'",
        ),
        (
            "closed",
            "echo 'int x;' >x.c; cc -shared -nostdlib -o prefix/bin/closed.so x.c; : >old; ln -sf \
             $PWD/prefix/bin/closed.so prefix/lib/vload/closed.so; truncate -s 100 prefix/bin/closed.so",
            "/closed.so: it is no shared object",
        ),
    ];
    for (name, prepare, why) in refused {
        let outcome = run(
            bench,
            &[
                INSTALLED,
                prepare,
                "vload=$PWD/prefix/bin/vload",
                &format!("$vload -m {name} true || echo $?"),
                &format!("$vload sh -c \"$vload -m {name} true || echo \\$?\""),
                &format!(
                    "$vload sh -c \"$vload insmod {name} || echo \\$?; $vload lsmod | wc -l\""
                ),
            ],
        )?;
        expect(&outcome, "125\n125\n1\n1\n").with_context(|| name.to_owned())?;
        let errors = outcome.error_text();
        ensure!(errors.matches(why).count() == 3, "{name}: {errors}");
    }
    Ok(())
}

/// What services rest on, and the file of a service that `-m` or `insmod` has loaded, can be overwritten and removed: the
/// programs that run, those that they execute and those that they start have what was loaded. What is loaded later is looked
/// for anew.
fn files_are_gone(bench: &Bench<'_>) -> Result<()> {
    let inside = "$vload insmod $lib/useless.so; \
        look() { cat /hello; echo $1 >/dev/useless; sh -c \"cat /dev/useless; cat /hello\"; }; \
        for file in service hello useless; do echo broken >$lib/$file.so; done; look overwritten; \
        rm $lib/*.so; look removed; (sh -c \"echo by another >/dev/useless\"); cat /dev/useless; \
        exec 3<>/dev/useless; cat <&3; $vload rmmod useless 2>/dev/null || echo in use; exec 3<&-; \
        $vload rmmod useless; [ -e /dev/useless ] || echo taken away; $vload insmod useless || echo none; \
        exec sh -c \"cat /hello; cat /hello & wait\"";
    let run = run(
        bench,
        &[
            INSTALLED,
            "export lib=$PWD/prefix/lib/vload vload=$PWD/prefix/bin/vload",
            "mv $lib/libvload_service.so $lib/service.so; cp $beside/hello.so $beside/useless.so $lib",
            &format!("$vload -m hello sh -c '{inside}'"),
        ],
    )?;
    let greeting = "Hello UMView!\n";
    let look = |what: &str| format!("{greeting}{what}\n{greeting}");
    let expected = format!(
        "{}{}by another\nby another\nin use\ntaken away\nnone\n{greeting}{greeting}",
        look("overwritten"),
        look("removed")
    );
    expect(&run, &expected)?;
    let errors = run.error_text();
    ensure!(errors.contains("there is no module 'useless'"), "{errors}");
    Ok(())
}

/// Name, description, kind, claims and users of services: what is mounted of one and who has a file of it open.
fn listed(bench: &Bench<'_>) -> Result<()> {
    let script = "mkdir here; exec 3</hello; {vload} mount -t memfs none here; : >here/file; exec 4<here/file; \
                  {vload} lsmod --json >json; {vload} lsmod >list; {vload} rmmod hello; \
                  exec 3<&- 4<&-; {vload} umount here; {vload} rmmod hello; {vload} rmmod memfs; {vload} lsmod --json";
    let outcome = bench.vload_alone(&[
        "-m",
        "hello",
        "-m",
        "memfs:path=/tree,size=1m",
        "sh",
        "-c",
        script,
    ])?;
    let json = std::fs::read(bench.folder().join("json"))?;
    let list: serde_json::Value = serde_json::from_slice(&json)?;
    let facts = |index: usize| {
        let one = &list[index];
        ["name", "arguments", "description", "kind", "claims", "users", "view"]
            .map(|key| one[key].to_string().replace('"', ""))
    };
    let hello = ["hello", "", "/hello, which greets", "service", "1", "1", "0"];
    ensure!(facts(0) == hello, "{list}");
    let tree = "a file tree in the session's memory";
    let memfs = ["memfs", "path=/tree,size=1m", tree, "service", "2", "2", "0"];
    ensure!(facts(1) == memfs && list.as_array().is_some_and(|list| list.len() == 2), "{list}");
    ensure!(list[0]["epoch"].as_u64() < list[1]["epoch"].as_u64(), "{list}");
    ensure!((0..2).all(|index| list[index]["age"].as_u64().is_some_and(|age| age < 600)), "{list}");
    ensure!(outcome.text() == "[]\n", "{}", outcome.text());
    let errors = outcome.error_text();
    ensure!(errors == "vload: rmmod: hello: it is in use\n", "{errors}");
    let list = std::fs::read_to_string(bench.folder().join("list"))?;
    let mut lines = list.lines();
    ensure!(lines.next() == Some("NAME              AGE USERS CLAIMS DESCRIPTION"), "{list}");
    let columns = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let row = |line: Option<&str>, said: [&str; 3]| {
        line.map(columns).is_some_and(|words| {
            words[0] == said[0] && words[2..4] == [said[1].to_owned(), said[2].to_owned()]
        })
    };
    ensure!(row(lines.next(), ["hello", "1", "1"]), "{list}");
    ensure!(row(lines.next(), ["memfs", "2", "2"]) && lines.next().is_none(), "{list}");
    Ok(())
}
