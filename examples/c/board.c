/* QEMU's mps2-an386, a Cortex-M4F: start-up, and files of the host through Arm's semihosting. */

#include "board.h"

#include <stdint.h>

extern uint32_t _stack_end[], _bss_start[], _bss_end[];
int main(void);

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT_EXTENDED = 32 };
enum { READ_BINARY = 1, WRITE_BINARY = 5, APPLICATION_EXIT = 0x20026 };

static intptr_t host(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (intptr_t)r0;
}

static void leave(uint32_t code)
{
    const uint32_t block[] = {APPLICATION_EXIT, code};
    host(SYS_EXIT_EXTENDED, block);
    for (;;)
        ;
}

static intptr_t open_file(const char *name, uint32_t mode)
{
    size_t length = 0;
    while (name[length])
        length++;
    const uintptr_t block[] = {(uintptr_t)name, mode, length};
    intptr_t file = host(SYS_OPEN, block);
    if (file < 0)
        leave(100);
    return file;
}

size_t board_read(const char *name, void *bytes, size_t size)
{
    intptr_t file = open_file(name, READ_BINARY);
    const uintptr_t block[] = {(uintptr_t)file, (uintptr_t)bytes, size};
    size_t missing = (size_t)host(SYS_READ, block);
    host(SYS_CLOSE, block);
    return size - missing;
}

void board_write(const char *name, const void *bytes, size_t size)
{
    intptr_t file = open_file(name, WRITE_BINARY);
    const uintptr_t block[] = {(uintptr_t)file, (uintptr_t)bytes, size};
    if (host(SYS_WRITE, block) != 0)
        leave(101);
    host(SYS_CLOSE, block);
}

static void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the floating-point unit */
    __asm__ volatile("dsb\n isb");
    for (uint32_t *word = _bss_start; word < _bss_end; word++)
        *word = 0;
    leave((uint32_t)main());
}

static void fault(void)
{
    leave(102);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    _stack_end, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
};
