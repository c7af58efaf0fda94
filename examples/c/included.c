/* A model that is part of the program: the library holds its weights and the kernels of its operators, and no more.
 * Nothing is checked or decoded when it runs, and nothing can fail. */

#include "board.h"
#include "fashion.h"

static uint8_t arena[FASHION_ARENA] __attribute__((aligned(16)));

int main(void)
{
    board_read("input.bin", fashion_input(arena), FASHION_INPUT_LENGTH);
    fashion_run(arena);
    board_write("output.bin", fashion_output(arena), FASHION_OUTPUT_LENGTH);
    return 0;
}
