/* What the kernel hands to a new program: arguments, environment, auxiliary vector, stack. */
#include "check.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif

extern char **environ;
static int phdr_matches;

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    if (info->dlpi_phdr == (void *)getauxval(AT_PHDR) && info->dlpi_phnum == getauxval(AT_PHNUM))
        phdr_matches++;
    return 0;
}

int main(int argc, char **argv)
{
    printf("argc %d\n", argc);
    for (int i = 0; i < argc; i++)
        printf("argv[%d] '%s'\n", i, argv[i]);
    CHECK(argv[argc] == NULL);
    CHECK((char **)environ == argv + argc + 1);
    char **env = environ;
    for (; *env; env++)
        printf("env '%s'\n", *env);

    ElfW(auxv_t) *auxv = (void *)(env + 1);
    for (; auxv->a_type != AT_NULL; auxv++) {
        unsigned long value = auxv->a_un.a_val;
        switch (auxv->a_type) {
        case AT_SYSINFO_EHDR:
        case AT_PHDR:
        case AT_BASE:
        case AT_ENTRY:
        case AT_RANDOM:
#ifdef AT_SYSINFO
        case AT_SYSINFO:
#endif
            printf("auxv %lu %s\n", (unsigned long)auxv->a_type, value ? "set" : "zero");
            break;
        case AT_EXECFN:
        case AT_PLATFORM:
        case AT_BASE_PLATFORM:
            printf("auxv %lu '%s'\n", (unsigned long)auxv->a_type, (char *)value);
            break;
        default:
            printf("auxv %lu %#lx\n", (unsigned long)auxv->a_type, value);
        }
    }
    /* Strings lie in the order the kernel writes them: platform, argv, envp, the file's name. */
    char *execfn = (char *)getauxval(AT_EXECFN);
    for (int i = 1; i < argc; i++)
        CHECK(argv[i] == argv[i - 1] + strlen(argv[i - 1]) + 1);
    if (argc && environ[0])
        CHECK(environ[0] == argv[argc - 1] + strlen(argv[argc - 1]) + 1);
    if (env > environ)
        CHECK(execfn == env[-1] + strlen(env[-1]) + 1);

    unsigned char *random = (unsigned char *)getauxval(AT_RANDOM);
    int differ = 0;
    for (int i = 1; i < 16; i++)
        differ |= random[i] != random[0];
    CHECK(differ);

    dl_iterate_phdr(look, NULL);
    printf("phdr matches %d\n", phdr_matches);
    ElfW(Phdr) *phdr = (void *)getauxval(AT_PHDR);
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
        printf("phdr type %#x flags %x align %#lx\n", (unsigned)phdr[i].p_type,
               (unsigned)phdr[i].p_flags, (unsigned long)phdr[i].p_align);
    CHECK(getauxval(AT_PHENT) == sizeof(ElfW(Phdr)));

    extern void _start(void);
    CHECK(getauxval(AT_ENTRY) == (unsigned long)_start);
    CHECK(((unsigned long)(argv - 1) & 15) == 0);
    /* The interp's own header is at AT_BASE. */
    unsigned long base = getauxval(AT_BASE);
    if (base)
        CHECK(!memcmp((void *)base, ELFMAG, SELFMAG));
    unsigned long vdso = getauxval(AT_SYSINFO_EHDR);
    if (vdso)
        CHECK(!memcmp((void *)vdso, ELFMAG, SELFMAG));
    printf("brk near the heap %d\n", sbrk(0) != (void *)-1);
    return 0;
}
