/* useless: a device, /dev/useless, that keeps what is written to it, for all processes of the session.
 *
 *     $ cc $(vload cflags) -o useless.so useless.c
 *     $ vload -m ./useless.so bash
 *     $ echo Hello > /dev/useless
 *     $ cat /dev/useless
 *     Hello
 *
 * The example for state that processes share. A variable of the module's is each process's own; what is
 * shared lies in the layer's area, and is changed under one of its locks. A process may be killed at any
 * instruction: what was changed by vload_change is as it was then, unless the lock was given back.
 */
#include <vload/module.h>

enum { ROOM = 4096, LOCK = 0 };
enum { ENOSPC = 28, S_IFCHR = 0020000 };

/* The layer's area: all zero at first. */
struct kept {
    uint64_t length; /* of what is kept */
    uint64_t turn;   /* which of the two texts is the one that is kept */
    char text[2][ROOM];
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int useless_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    (void)node, (void)flags, (void)mode;
    file->is = VLOAD_UNMAPPED; /* devices without memory are not mapped */
    return 0;
}

static long useless_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    struct kept *kept = vload_area(file->layer);
    int error = vload_lock(file->layer, LOCK);
    if (error < 0)
        return error;
    size_t start = (uint64_t)offset < kept->length ? (size_t)offset : (size_t)kept->length;
    length = least(length, (size_t)kept->length - start);
    memcpy(to, kept->text[kept->turn] + start, length);
    vload_unlock(file->layer, LOCK);
    return (long)length;
}

/* What is written ends what is kept: a shorter text leaves nothing of a longer one. The new text is made in the
   room that means nothing at the time, and takes the place of the old when the lock is given back. */
static long useless_write(struct vload_file *file, const void *from, size_t length, int64_t offset)
{
    if (offset >= ROOM)
        return length == 0 ? 0 : -ENOSPC;
    struct kept *kept = vload_area(file->layer);
    int error = vload_lock(file->layer, LOCK);
    if (error < 0)
        return error;
    size_t start = (size_t)offset;
    length = least(length, ROOM - start);
    const char *old = kept->text[kept->turn];
    char *text = kept->text[!kept->turn];
    size_t stays = least(start, (size_t)kept->length);
    memcpy(text, old, stays);
    memset(text + stays, 0, start - stays);
    memcpy(text + start, from, length);
    vload_change(file->layer, &kept->turn, !kept->turn);
    vload_change(file->layer, &kept->length, start + length);
    vload_unlock(file->layer, LOCK);
    return (long)length;
}

static int useless_stat(const struct vload_node *node, struct vload_stat *known)
{
    (void)node;
    memset(known, 0, sizeof *known);
    known->inode = 1;
    known->mode = S_IFCHR | 0666;
    known->links = 1;
    known->special = 10 << 8 | 255; /* a misc device whose minor number is nobody's */
    return 0;
}

static int useless_init(struct vload_layer *layer)
{
    int claim = vload_claim_path(layer, "/dev/useless", VLOAD_CLAIM_EXACT, 0);
    return claim < 0 ? claim : 0;
}

static const struct vload_service useless_calls = {
    .open = useless_open,
    .read = useless_read,
    .write = useless_write,
    .stat = useless_stat,
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC,
    .version = VLOAD_VERSION,
    .kind = VLOAD_SERVICE,
    .name = "useless",
    .description = "/dev/useless, which keeps what is written to it",
    .area = sizeof(struct kept),
    .init = useless_init,
    .operations = &useless_calls,
};
