/* Makes a call, and waits for ever when it fails. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	while (syscall(SYS_getppid) == -1)
		pause();
	puts("done");
	return 0;
}
