/* /asking: what getppid(2) is to this layer as the file is opened and as it is read, `fake` where another one answers it.
 * With CLAIMING it answers the programs' own by its number, too, and is called `answering`. */
#include <vload/module.h>

enum { LINE = 5 };

static int is_fake(struct vload_layer *layer)
{
    static const uintptr_t none[6];
    return vload_system(layer, GETPPID, none) == 4242;
}

static int asking_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    (void)flags, (void)mode;
    file->private_word = (uint64_t)is_fake(node->layer);
    return 0;
}

static long asking_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    char *text = to;
    if (offset != 0 || length < 2 * LINE)
        return 0;
    memcpy(text, file->private_word ? "fake\n" : "real\n", LINE);
    memcpy(text + LINE, is_fake(file->layer) ? "fake\n" : "real\n", LINE);
    return 2 * LINE;
}

static int asking_stat(const struct vload_node *node, struct vload_stat *known)
{
    (void)node;
    memset(known, 0, sizeof *known);
    known->inode = 1;
    known->mode = 0100444; /* S_IFREG, and everybody may read */
    known->links = 1;
    return 0;
}

static int asking_init(struct vload_layer *layer)
{
    int claim = vload_claim_path(layer, "/asking", VLOAD_CLAIM_EXACT, 0);
    return claim < 0 ? claim : 0;
}

#ifdef CLAIMING
#define NAME "answering"
static const uintptr_t numbers[] = {GETPPID};
static long asking_call(struct vload_layer *layer, struct vload_call *call)
{
    (void)layer, (void)call;
    return 4242;
}
#else
#define NAME "asking"
#endif

static const struct vload_service operations = {
    .open = asking_open, .read = asking_read, .stat = asking_stat,
#ifdef CLAIMING
    .call = asking_call, .numbers = numbers, .count = 1,
#endif
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_SERVICE,
    .name = NAME, .description = "/asking, which asks", .init = asking_init, .operations = &operations,
};
