/* A pipe of 16 bytes at /vpipe, one for all processes of the session. What cannot be read or written yet can be waited for. */
#include <vload/module.h>

enum { ROOM = 16, LOCK = 0, EAGAIN = 11, S_IFIFO = 0010000, POLLIN = 1, POLLOUT = 4, POLLHUP = 16, O_ACCMODE = 3 };

struct kept {
    uint64_t first, length, writers;
    char bytes[ROOM];
};

/* Counts who has it open to write. */
static int count(struct vload_layer *layer, int more)
{
    struct kept *kept = vload_area(layer);
    int error = vload_lock(layer, LOCK);
    if (error < 0)
        return error;
    vload_change(layer, &kept->writers, kept->writers + more);
    vload_unlock(layer, LOCK);
    return 0;
}

static int pipe_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    (void)node, (void)mode;
    file->is = VLOAD_STREAM | VLOAD_UNMAPPED;
    file->private_word = (flags & O_ACCMODE) != 0;
    return file->private_word ? count(file->layer, 1) : 0;
}

static int pipe_close(struct vload_file *file)
{
    return file->private_word ? count(file->layer, -1) : 0;
}

static long pipe_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    (void)offset;
    struct kept *kept = vload_area(file->layer);
    int error = vload_lock(file->layer, LOCK);
    if (error < 0)
        return error;
    if (length > kept->length)
        length = kept->length;
    for (size_t i = 0; i < length; i++)
        ((char *)to)[i] = kept->bytes[(kept->first + i) % ROOM];
    vload_change(file->layer, &kept->first, (kept->first + length) % ROOM);
    vload_change(file->layer, &kept->length, kept->length - length);
    vload_unlock(file->layer, LOCK);
    return length == 0 ? -EAGAIN : (long)length;
}

static long pipe_write(struct vload_file *file, const void *from, size_t length, int64_t offset)
{
    (void)offset;
    struct kept *kept = vload_area(file->layer);
    int error = vload_lock(file->layer, LOCK);
    if (error < 0)
        return error;
    if (length > ROOM - kept->length)
        length = ROOM - kept->length;
    for (size_t i = 0; i < length; i++)
        kept->bytes[(kept->first + kept->length + i) % ROOM] = ((const char *)from)[i];
    vload_change(file->layer, &kept->length, kept->length + length);
    vload_unlock(file->layer, LOCK);
    return length == 0 ? -EAGAIN : (long)length;
}

static int pipe_poll(struct vload_file *file)
{
    struct kept *kept = vload_area(file->layer);
    int writes = file->private_word != 0;
    return (kept->length != 0 ? POLLIN : 0) | (writes && kept->length < ROOM ? POLLOUT : 0) |
           (kept->writers == 0 ? POLLHUP : 0);
}

static int pipe_stat(const struct vload_node *node, struct vload_stat *known)
{
    (void)node;
    memset(known, 0, sizeof *known);
    known->inode = 1;
    known->mode = S_IFIFO | 0666;
    known->links = 1;
    return 0;
}

static int pipe_init(struct vload_layer *layer)
{
    int claim = vload_claim_path(layer, "/vpipe", VLOAD_CLAIM_EXACT, 0);
    return claim < 0 ? claim : 0;
}

static const struct vload_service operations = {
    .open = pipe_open, .close = pipe_close, .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .stat = pipe_stat,
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_SERVICE,
    .name = "pipe", .description = "/vpipe, a pipe of 16 bytes",
    .area = sizeof(struct kept), .init = pipe_init, .operations = &operations,
};
