/* A program without an interp that maps another file as the kernel would, at addresses of its own choice, as an emulator does: it
 * finds the file's own bytes, and may execute them all the same. usage: translator LIBRARY, whose entry is a function that
 * gives getppid(). */
#include "check.h"
#include <elf.h>
#include <sys/mman.h>

static char bytes[1 << 16];

int main(int argc, char **argv)
{
    int file = MUST(open(argv[argc - 1], O_RDONLY));
    ssize_t length = MUST(pread(file, bytes, sizeof bytes, 0));
    Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
    Elf64_Phdr *segments = (Elf64_Phdr *)(bytes + header->e_phoff);
    CHECK(length > (ssize_t)sizeof *header);
    char *place = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    MUST((long)place);
    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type != PT_LOAD)
            continue;
        int prot = (segments[i].p_flags & PF_R ? PROT_READ : 0) | (segments[i].p_flags & PF_W ? PROT_WRITE : 0) |
                   (segments[i].p_flags & PF_X ? PROT_EXEC : 0);
        size_t before = segments[i].p_vaddr & 4095;
        char *start = place + segments[i].p_vaddr - before;
        MUST((long)mmap(start, segments[i].p_filesz + before, prot, MAP_PRIVATE | MAP_FIXED, file,
                        segments[i].p_offset - before));
        if (prot & PROT_EXEC)
            printf("text: %s\n", memcmp(start + before, bytes + segments[i].p_offset, segments[i].p_filesz)
                                     ? "not the file's"
                                     : "the file's");
    }
    long (*entry)(void) = (long (*)(void))(place + header->e_entry);
    int right = 0;
    for (int i = 0; i < 100; i++)
        right += entry() == getppid();
    printf("calls: %d\n", right);
    return 0;
}
