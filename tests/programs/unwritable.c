/* What a user without rights hears of a file system to which nothing can be written. usage: unwritable TYPE [TREE]

   With TREE, of one that is mounted in that tree and differs from what it begins with. */
#include "variants.h"
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

static void says(void)
{
    MUST(setresgid(1000, 1000, 1000));
    MUST(setresuid(1000, 1000, 1000));
    told("access to write", access(".", W_OK));
    told("access to read", access(".", R_OK));
    told("access to both", access(".", R_OK | W_OK));
    told("mkdir", mkdir("new", 0755));
    told("mkdir of what is there", mkdir(".", 0755));
    told("symlink", symlink("x", "new"));
    told("mknod", mknod("new", S_IFCHR, 5));
    told("make", open("new", O_WRONLY | O_CREAT, 0644));
    told("open to read", open(".", O_RDONLY));
    told("open what is missing", open("new", O_WRONLY));
    told("chmod", chmod(".", 0700));
    told("chown", chown(".", 1000, 1000));
    told("chown of nothing", chown(".", -1, -1));
    told("utimensat", utimensat(AT_FDCWD, ".", NULL, 0));
    told("unlink", unlink("missing"));
    told("unlink a folder", unlink("."));
    told("unlink with a slash", unlink("missing/"));
    told("rmdir", rmdir("missing"));
    told("rmdir itself", rmdir("."));
    told("rename", rename("missing", "new"));
    told("rename itself", rename(".", "new"));
    told("setxattr", setxattr(".", "user.name", "x", 1, 0));
    told("removexattr", removexattr(".", "user.name"));
    told("truncate", truncate(".", 0));
    told("link", link("missing", "new"));
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "new"};
    told("bind", bind(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (void *)&name, sizeof name));
}

static const char *type, *tree;

/* Something is mounted, and the tree's root mount made like this. */
static void differing(unsigned long there, unsigned long root)
{
    char place[PATH_MAX];
    MUST(unshare(CLONE_NEWNS));
    MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    MUST(mount("none", "/mnt", type, there, "mode=751"));
    if (root)
        MUST(mount("none", "/", NULL, MS_REMOUNT | MS_BIND | root, NULL));
    snprintf(place, sizeof place, "%s/mnt", tree);
    MUST(chdir(place));
    says();
    told("in what is missing", unlink("missing/new"));
    told("from what is missing", rename("missing/new", "new"));
    fflush(stdout);
}

static void below(void) { differing(MS_RDONLY, 0); }

static void above(void) { differing(0, MS_RDONLY); }

int main(int argc, char **argv)
{
    (void)clear, (void)run_group;
    if (argc < 2)
        return 2;
    type = argv[1];
    if (argc > 2) {
        tree = argv[2];
        in_one("nothing can be written below", below);
        in_one("nothing can be written above", above);
        return 0;
    }
    MUST(mkdir("read-only", 0755));
    MUST(mount("none", "read-only", type, MS_RDONLY, "mode=751"));
    MUST(chmod(".", 0755));
    /* Before the rights are gone that the folders above may ask for. */
    MUST(chdir("read-only"));
    says();
    return 0;
}
