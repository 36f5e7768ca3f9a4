/* A program that carries another in few bytes and becomes it without an exec, as UPX makes them: a copy
 * of its own code takes it out of its file, puts it into memory of its own making, maps its interp from
 * the file, removes what brought it, and jumps. `packed pack PROGRAM OUTPUT` makes one. No libc: nothing
 * may be left behind that the program's own would find. */
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Behind the encoded program, at the end of the file. */
struct tail {
    unsigned long encoded, length;
    char mark[8];
};
static const char mark[8] = "PACKED!";
enum { PAGE = 4096, RUN = 128 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* Ends with the number of the step that failed. */
static long must(int step, long result)
{
    if (result < 0 && result > -PAGE)
        call(SYS_exit_group, step, 0, 0, 0, 0, 0);
    return result;
}

static long offset_of_end(int fd) { return must(60, call(SYS_lseek, fd, 0, SEEK_END, 0, 0, 0)); }

static void read_at(int fd, void *to, unsigned long length, long from)
{
    if (must(61, call(SYS_pread64, fd, (long)to, (long)length, from, 0, 0)) != (long)length)
        must(62, -1);
}

static unsigned char *memory(unsigned long length)
{
    return (unsigned char *)must(63, call(SYS_mmap, 0, (long)length, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void unmap(const void *start, unsigned long length)
{
    must(64, call(SYS_munmap, (long)start, (long)length, 0, 0, 0, 0));
}

static int same(const char *a, const char *b, unsigned long length)
{
    for (unsigned long i = 0; i < length; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

/* A byte below RUN: so many bytes and one more as they are; another: so many more than RUN of the next. */
static unsigned long encode(unsigned char *to, const unsigned char *from, unsigned long length)
{
    unsigned char *start = to, *literal = NULL;
    for (unsigned long at = 0; at < length;) {
        unsigned long run = 1;
        while (at + run < length && run < RUN && from[at + run] == from[at])
            run++;
        if (run > 2) {
            *to++ = (unsigned char)(RUN + run - 1);
            *to++ = from[at];
            literal = NULL;
            at += run;
        } else {
            if (!literal || *literal == RUN - 1) {
                literal = to++;
                *literal = 0;
            } else {
                ++*literal;
            }
            *to++ = from[at++];
        }
    }
    return (unsigned long)(to - start);
}

static void decode(unsigned char *to, const unsigned char *from, unsigned long length)
{
    for (unsigned char *end = to + length; to < end;) {
        unsigned control = *from++;
        for (unsigned i = 0; i <= control % RUN; i++)
            *to++ = control < RUN ? *from++ : *from;
        from += control >= RUN;
    }
}

static int protection(const Elf64_Phdr *segment)
{
    return (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) |
           (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

static unsigned long page(unsigned long address) { return address & -(unsigned long)PAGE; }
static unsigned long pages(unsigned long address) { return page(address + PAGE - 1); }

/* Room for the segments; gives what is to be added to their addresses. */
static unsigned long reserve(const Elf64_Ehdr *elf, const Elf64_Phdr *segments)
{
    unsigned long low = -1ul, high = 0;
    for (int i = 0; i < elf->e_phnum; i++) {
        const Elf64_Phdr *segment = &segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        low = page(segment->p_vaddr) < low ? page(segment->p_vaddr) : low;
        high = pages(segment->p_vaddr + segment->p_memsz) > high
                   ? pages(segment->p_vaddr + segment->p_memsz)
                   : high;
    }
    int fixed = elf->e_type == ET_EXEC ? MAP_FIXED_NOREPLACE : 0;
    unsigned long at = (unsigned long)must(
        65, call(SYS_mmap, fixed ? (long)low : 0, (long)(high - low), PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0));
    return at - low;
}

/* A segment out of a file that lies in memory (`file` is -1), or mapped from `file`. */
static void load(const Elf64_Phdr *segment, unsigned long bias, const unsigned char *bytes, int file)
{
    unsigned long start = page(bias + segment->p_vaddr), data = bias + segment->p_vaddr;
    unsigned long filled = data + segment->p_filesz, end = pages(data + segment->p_memsz);
    unsigned long from_file = file < 0 ? start : pages(filled);
    if (from_file > start)
        must(66, call(SYS_mmap, (long)start, (long)(from_file - start), protection(segment),
                      MAP_PRIVATE | MAP_FIXED, file, (long)page(segment->p_offset)));
    if (end > from_file)
        must(67, call(SYS_mmap, (long)from_file, (long)(end - from_file), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0));
    if (file < 0)
        for (unsigned long i = 0; i < segment->p_filesz; i++)
            ((char *)data)[i] = (char)bytes[segment->p_offset + i];
    else if (segment->p_flags & PF_W)
        for (unsigned long at = filled; at < from_file; at++)
            *(char *)at = 0;
    if (end > from_file)
        must(68, call(SYS_mprotect, (long)from_file, (long)(end - from_file), protection(segment),
                      0, 0, 0));
}

static unsigned long image(const Elf64_Ehdr *elf, const Elf64_Phdr *segments,
                           const unsigned char *bytes, int file)
{
    unsigned long bias = reserve(elf, segments);
    for (int i = 0; i < elf->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD)
            load(&segments[i], bias, bytes, file);
    return bias;
}

static Elf64_auxv_t *auxiliary(long *stack, unsigned long kind)
{
    long *word = stack + stack[0] + 2;
    while (*word++)
        ;
    Elf64_auxv_t *entry = (Elf64_auxv_t *)word;
    while (entry->a_type != kind && entry->a_type != AT_NULL)
        entry++;
    return entry;
}

extern char __ehdr_start[], _end[];

/* In the copy: becomes the program. What it runs in is unmapped by code on a page of its own. */
static void unpack(long *stack, unsigned char *original)
{
    unsigned long size = pages((unsigned long)(_end - __ehdr_start));
    unmap(original, size);
    int own = (int)must(69, call(SYS_open, (long)auxiliary(stack, AT_EXECFN)->a_un.a_val,
                                 O_RDONLY | O_CLOEXEC, 0, 0, 0, 0));
    struct tail tail;
    long end = offset_of_end(own) - (long)sizeof tail;
    read_at(own, &tail, sizeof tail, end);
    unsigned char *encoded = memory(tail.encoded), *bytes = memory(tail.length);
    read_at(own, encoded, tail.encoded, end - (long)tail.encoded);
    must(70, call(SYS_close, own, 0, 0, 0, 0, 0));
    decode(bytes, encoded, tail.length);
    unmap(encoded, tail.encoded);

    const Elf64_Ehdr *elf = (const Elf64_Ehdr *)bytes;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(bytes + elf->e_phoff);
    unsigned long bias = image(elf, segments, bytes, -1), entry = bias + elf->e_entry, base = 0;
    auxiliary(stack, AT_ENTRY)->a_un.a_val = entry;
    auxiliary(stack, AT_PHNUM)->a_un.a_val = elf->e_phnum;
    for (int i = 0; i < elf->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD && segments[i].p_offset == 0)
            auxiliary(stack, AT_PHDR)->a_un.a_val = bias + segments[i].p_vaddr + elf->e_phoff;
    for (int i = 0; i < elf->e_phnum; i++)
        if (segments[i].p_type == PT_INTERP) {
            Elf64_Ehdr header;
            Elf64_Phdr parts[16];
            int file = (int)must(71, call(SYS_open, (long)(bytes + segments[i].p_offset),
                                          O_RDONLY | O_CLOEXEC, 0, 0, 0, 0));
            read_at(file, &header, sizeof header, 0);
            read_at(file, parts, header.e_phnum * sizeof *parts, (long)header.e_phoff);
            base = image(&header, parts, NULL, file);
            must(72, call(SYS_close, file, 0, 0, 0, 0, 0));
            entry = base + header.e_entry;
        }
    auxiliary(stack, AT_BASE)->a_un.a_val = base;
    unmap(bytes, tail.length);

    /* syscall; xor %edx, %edx; jmp *%r12 */
    static const unsigned char code[] = {0x0f, 0x05, 0x31, 0xd2, 0x41, 0xff, 0xe4};
    unsigned char *hatch = memory(PAGE);
    for (unsigned i = 0; i < sizeof code; i++)
        hatch[i] = code[i];
    must(73, call(SYS_mprotect, (long)hatch, PAGE, PROT_READ | PROT_EXEC, 0, 0, 0));
    register long target __asm__("r12") = (long)entry;
    __asm__ volatile("mov %0, %%rsp\n\tjmp *%1"
                     :
                     : "r"(stack), "r"(hatch), "r"(target), "a"((long)SYS_munmap),
                       "D"((long)__ehdr_start), "S"(size)
                     : "memory");
    __builtin_unreachable();
}

static void pack(long *stack, const char *program, const char *output)
{
    int own = (int)must(80, call(SYS_open, (long)auxiliary(stack, AT_EXECFN)->a_un.a_val, O_RDONLY,
                                 0, 0, 0, 0));
    int from = (int)must(81, call(SYS_open, (long)program, O_RDONLY, 0, 0, 0, 0));
    int to = (int)must(82, call(SYS_open, (long)output, O_WRONLY | O_CREAT | O_TRUNC, 0755, 0, 0, 0));
    unsigned long size = (unsigned long)offset_of_end(own);
    struct tail tail = {0, (unsigned long)offset_of_end(from), {0}};
    for (unsigned i = 0; i < sizeof mark; i++)
        tail.mark[i] = mark[i];
    unsigned char *self = memory(size), *bytes = memory(tail.length), *encoded = memory(2 * tail.length);
    read_at(own, self, size, 0);
    read_at(from, bytes, tail.length, 0);
    tail.encoded = encode(encoded, bytes, tail.length);
    must(83, call(SYS_write, to, (long)self, (long)size, 0, 0, 0));
    must(84, call(SYS_write, to, (long)encoded, (long)tail.encoded, 0, 0, 0));
    must(85, call(SYS_write, to, (long)&tail, sizeof tail, 0, 0, 0));
    call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

__attribute__((used)) void start(long *stack)
{
    char **argv = (char **)(stack + 1);
    if (stack[0] == 4 && same(argv[1], "pack", 5))
        pack(stack, argv[2], argv[3]);
    /* The code comes out of the file, as UPX's does: what is mapped is not to be copied. */
    unsigned long size = pages((unsigned long)(_end - __ehdr_start));
    unsigned char *copy = memory(size);
    int own = (int)must(86, call(SYS_open, (long)auxiliary(stack, AT_EXECFN)->a_un.a_val,
                                 O_RDONLY | O_CLOEXEC, 0, 0, 0, 0));
    read_at(own, copy, (unsigned long)(_end - __ehdr_start), 0);
    must(87, call(SYS_close, own, 0, 0, 0, 0, 0));
    must(88, call(SYS_mprotect, (long)copy, (long)size, PROT_READ | PROT_EXEC, 0, 0, 0));
    unsigned long place = (unsigned long)unpack - (unsigned long)__ehdr_start;
    ((void (*)(long *, unsigned char *))(copy + place))(stack, (unsigned char *)__ehdr_start);
}

__asm__(".globl _start\n_start:\n\t"
        "xor %ebp, %ebp\n\t"
        "mov %rsp, %rdi\n\t"
        "and $-16, %rsp\n\t"
        "call start\n\t"
        "ud2\n\t");
