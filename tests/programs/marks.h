/* The marks: a breakpoint, and behind it an instruction that does nothing and tells which it is.
   The tracer takes the breakpoint's signal away. */
#define MARK(kind) "int3\n\tnopl 0x564c57" kind "(%%rax)\n\t"
#define BEGIN MARK("01")     /* this thread is walked from here on */
#define BEGIN_NEXT MARK("02") /* the next new thread or process is, from its start on */
#define END MARK("03")
#define mark(kind) __asm__ volatile(kind ::: "memory")
