/* The files of /faulty fault when they are read, in the way that their names say, and answer all else. */
#include <vload/module.h>

static volatile uintptr_t nowhere = 8;
static volatile int on = 1;

/* One letter for each of the files, in the order of their inodes. */
static const char ways[] = "ndlsw";
enum { NULL_POINTER, DEEP, LOCKED, STAT, WELL, COUNT };

static long deeper(volatile long *depth)
{
    volatile char much[512];
    much[0] = (char)++*depth;
    return on ? deeper(depth) + much[0] : 0;
}

/* Which file a path behind the claim is: /n, /d, ...; COUNT for the directory; -1 for none. */
static int which(const char *path)
{
    if (path[0] == 0 || (path[0] == '/' && path[1] == 0))
        return COUNT;
    for (int at = 0; at < COUNT; at++)
        if (path[0] == '/' && path[1] == ways[at] && path[2] == 0)
            return at;
    return -1;
}

static int faulty_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    (void)flags, (void)mode;
    int found = which(node->path);
    if (found < 0)
        return -2; /* ENOENT */
    file->private_word = (uint64_t)found;
    return 0;
}

static long faulty_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    volatile long depth = 0;
    uint64_t *area = vload_area(file->layer);
    switch (file->private_word) {
    case NULL_POINTER:
        return *(volatile long *)nowhere;
    case DEEP:
        return deeper(&depth);
    case LOCKED:
        if (vload_lock(file->layer, 0) != 0)
            return -22;
        vload_change(file->layer, &area[0], area[0] + 1);
        return *(volatile long *)nowhere;
    }
    /* How often a change has been kept that a fault came after: never. */
    if (offset > 0 || length < 2)
        return 0;
    if (vload_lock(file->layer, 0) != 0)
        return -22;
    ((char *)to)[0] = (char)('0' + area[0]);
    vload_unlock(file->layer, 0);
    ((char *)to)[1] = '\n';
    return 2;
}

static int faulty_stat(const struct vload_node *node, struct vload_stat *known)
{
    int found = node->file ? (int)node->file->private_word : which(node->path);
    if (found < 0)
        return -2;
    memset(known, 0, sizeof *known);
    if (found == STAT)
        return (int)*(volatile long *)nowhere;
    known->inode = (uint64_t)found + 1;
    known->mode = found == COUNT ? 0040555 : 0100444;
    known->links = 1;
    known->size = 2;
    return 0;
}

static int faulty_init(struct vload_layer *layer)
{
    int claim = vload_claim_path(layer, "/faulty", 0, 0);
    return claim < 0 ? claim : 0;
}

static const struct vload_service faulty_calls = {
    .open = faulty_open,
    .read = faulty_read,
    .stat = faulty_stat,
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC,
    .version = VLOAD_VERSION,
    .kind = VLOAD_SERVICE,
    .name = "faulty-service",
    .description = "files that fault",
    .area = 4096,
    .init = faulty_init,
    .operations = &faulty_calls,
};
