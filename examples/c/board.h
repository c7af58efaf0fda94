/* What the examples ask of a board: here, files of the host. Firmware has its sensor and its radio instead. */

#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>

/* Reads at most `size` bytes of a file; gives how many there were. A file that is not there ends the program. */
size_t board_read(const char *name, void *bytes, size_t size);

/* Writes a file. */
void board_write(const char *name, const void *bytes, size_t size);

#endif
