/* @NAME@: /@NAME@, a file that greets.
 *
 *     $ make check
 *     $ vload -m ./@NAME@.so cat /@NAME@
 *     $ vload -m ./@NAME@.so:text='Good morning' cat /@NAME@
 *
 * What is not said here fails as it does on a file system without it: nobody can write, remove or rename /@NAME@.
 */
#include <vload/module.h>

/* What the file has: the argument "text", or a greeting; and a line's end. */
static size_t content(struct vload_layer *layer, char text[256])
{
    static const char greeting[] = "Hello from @NAME@!";
    long length = vload_argument(layer, "text", text, 255);
    if (length < 0 || length > 255) {
        length = sizeof greeting - 1;
        memcpy(text, greeting, sizeof greeting - 1);
    }
    text[length] = '\n';
    return (size_t)length + 1;
}

/* Any program may open the file; there is nothing to remember of who has it open. */
static int @IDENT@_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    (void)node, (void)flags, (void)mode, (void)file;
    return 0;
}

/* read, pread64, readv, preadv2 …: all of them are this one. */
static long @IDENT@_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    char text[256];
    size_t size = content(file->layer, text);
    size_t start = (uint64_t)offset < size ? (size_t)offset : size;
    if (length > size - start)
        length = size - start;
    memcpy(to, text + start, length);
    return (long)length;
}

static int @IDENT@_stat(const struct vload_node *node, struct vload_stat *known)
{
    char text[256];
    memset(known, 0, sizeof *known);
    known->inode = 1;
    known->mode = 0100444; /* a regular file that everybody may read */
    known->links = 1;
    known->size = content(node->layer, text);
    return 0;
}

/* Once, when the module is loaded: what it is for. */
static int @IDENT@_init(struct vload_layer *layer)
{
    int claim = vload_claim_path(layer, "/@NAME@", VLOAD_CLAIM_EXACT, 0);
    return claim < 0 ? claim : 0;
}

static const struct vload_service @IDENT@_calls = {
    .open = @IDENT@_open,
    .read = @IDENT@_read,
    .stat = @IDENT@_stat,
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC,
    .version = VLOAD_VERSION,
    .kind = VLOAD_SERVICE,
    .name = "@NAME@",
    .description = "/@NAME@, a file that greets",
    .keys = "text",
    .init = @IDENT@_init,
    .operations = &@IDENT@_calls,
};
