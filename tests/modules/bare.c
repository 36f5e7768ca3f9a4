/* A file that is read and written, and nothing else: all that programs do with it besides is the framework's.
 * tests/modules/bare/ is the same in Rust. */
#include <vload/module.h>

enum { ENOSPC = 28, ROOM = 4096 };

/* In the session's memory: how much of it there is, and the bytes. */
struct content {
    uint64_t length;
    char bytes[ROOM];
};

static long bare_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    struct content *content = vload_area(file->layer);
    int locked = vload_lock(file->layer, 0);
    if (locked < 0)
        return locked;
    size_t size = content->length, start = (uint64_t)offset < size ? (size_t)offset : size;
    if (length > size - start)
        length = size - start;
    memcpy(to, content->bytes + start, length);
    vload_unlock(file->layer, 0);
    return (long)length;
}

static long bare_write(struct vload_file *file, const void *from, size_t length, int64_t offset)
{
    struct content *content = vload_area(file->layer);
    int locked = vload_lock(file->layer, 0);
    if (locked < 0)
        return locked;
    if (file->flags & 02000) /* O_APPEND */
        offset = (int64_t)content->length;
    size_t start = (uint64_t)offset < ROOM ? (size_t)offset : ROOM;
    if (length > ROOM - start)
        length = ROOM - start;
    memcpy(content->bytes + start, from, length);
    if (start + length > content->length)
        vload_change(file->layer, &content->length, start + length);
    vload_unlock(file->layer, 0);
    return length ? (long)length : -ENOSPC;
}

static int bare_init(struct vload_layer *layer)
{
    char at[512];
    long length = vload_argument(layer, "at", at, sizeof at);
    int claim = length < 0 || length >= (long)sizeof at ? -2 : vload_claim_path(layer, at, VLOAD_CLAIM_EXACT, 0);
    return claim < 0 ? claim : 0;
}

static const struct vload_service operations = { .read = bare_read, .write = bare_write };

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_SERVICE,
    .name = "bare", .description = "a file that is read and written", .keys = "at",
    .area = sizeof(struct content), .init = bare_init, .operations = &operations,
};
