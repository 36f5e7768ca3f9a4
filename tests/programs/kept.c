/* Keeps something in %rbx over each call that the C library makes for it: the register that a fault of
   `vload bisect`'s tests loses. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void line(unsigned long value)
{
	char text[32];
	int length = snprintf(text, sizeof text, "%lu\n", value);
	register unsigned long kept __asm__("rbx") = value;
	__asm__ volatile("" : "+r"(kept));
	write(1, text, length);
	__asm__ volatile("" : "+r"(kept));
	if (kept != value)
		exit(9);
}

int main(void)
{
	for (unsigned long value = 1; value < 1000; value *= 7)
		line(value);
	return 3;
}
