/* hello: the first module of the thesis on UMView. Reading /hello gives its greeting.
 *
 *     $ cc $(vload cflags) -o hello.so hello.c
 *     $ vload -m ./hello.so cat /hello
 *     Hello UMView!
 *
 * The example for the least that a service module is: a claim, and what two calls mean on what is claimed. All
 * variants of a call are one operation (pread64, readv and preadv2 are read too), and what is not here
 * fails as on a file system without it: /hello cannot be written, removed or renamed.
 */
#include <vload/module.h>

static const char greeting[] = "Hello UMView!\n";

static int hello_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    (void)node, (void)flags, (void)mode, (void)file;
    return 0;
}

static long hello_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    (void)file;
    size_t size = sizeof greeting - 1;
    size_t start = (uint64_t)offset < size ? (size_t)offset : size;
    size_t left = size - start;
    if (length > left)
        length = left;
    memcpy(to, greeting + start, length);
    return (long)length;
}

static int hello_stat(const struct vload_node *node, struct vload_stat *known)
{
    (void)node;
    memset(known, 0, sizeof *known);
    known->inode = 1;
    known->mode = 0100444; /* S_IFREG, and everybody may read */
    known->links = 1;
    known->size = sizeof greeting - 1;
    return 0;
}

/* What the thesis calls the constructor. What init has claimed goes with the layer, so nothing is left for a
   destructor. */
static int hello_init(struct vload_layer *layer)
{
    int claim = vload_claim_path(layer, "/hello", VLOAD_CLAIM_EXACT, 0);
    return claim < 0 ? claim : 0;
}

static const struct vload_service hello_calls = {
    .open = hello_open,
    .read = hello_read,
    .stat = hello_stat,
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC,
    .version = VLOAD_VERSION,
    .kind = VLOAD_SERVICE,
    .name = "hello",
    .description = "/hello, which greets",
    .init = hello_init,
    .operations = &hello_calls,
};
