/* A file system of one file, "file", which is what the source of the mount is. The source is looked for when the file is opened, by the layers and
   mounts that are older than this one: it may lie in the very place that is mounted over (UMView, section 6.9). As "over" it has
   "memfs" mounted there first. */
#include <asm/unistd.h>
#include <vload/module.h>

enum { ENOENT = 2, S_IFREG = 0100000, S_IFDIR = 0040000, AT_FDCWD = -100, ROOM = 4096 };

static long ask(struct vload_layer *layer, int flags)
{
    uintptr_t arguments[6] = {(uintptr_t)AT_FDCWD, (uintptr_t)vload_area(layer), (uintptr_t)flags, 0, 0, 0};
    return vload_system(layer, __NR_openat, arguments);
}

static int is_file(const struct vload_node *node)
{
    return node->length == 5 && memcmp(node->path, "/file", 5) == 0;
}

static int under_stat(const struct vload_node *node, struct vload_stat *known)
{
    memset(known, 0, sizeof *known);
    if (node->length != 0 && !is_file(node))
        return -ENOENT;
    known->inode = 1 + node->length;
    known->mode = node->length == 0 ? S_IFDIR | 0755 : S_IFREG | 0644;
    known->links = 1;
    return 0;
}

static int under_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    (void)mode;
    if (!is_file(node))
        return -ENOENT;
    long fd = ask(node->layer, flags);
    if (fd < 0)
        return (int)fd;
    file->real = (int)fd;
    return VLOAD_REAL;
}

static int under_mount(const struct vload_mount *mount)
{
    size_t length = strlen(mount->source);
    if (length >= ROOM)
        return -ENOENT;
    memcpy(vload_area(mount->layer), mount->source, length + 1);
    if (mount->kind[0] == 'o') {
        uintptr_t arguments[6] = {(uintptr_t)"none", (uintptr_t)mount->target, (uintptr_t)"memfs", 0, 0, 0};
        long mounted = vload_system(mount->layer, __NR_mount, arguments);
        if (mounted < 0)
            return (int)mounted;
    }
    int claim = vload_claim_path(mount->layer, mount->target, 0, 0);
    return claim < 0 ? claim : 0;
}

static const struct vload_service operations = {
    .open = under_open, .stat = under_stat, .mount = under_mount, .types = "under,over",
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_SERVICE,
    .name = "under", .description = "a file that is what the source of the mount is",
    .area = ROOM, .operations = &operations,
};
