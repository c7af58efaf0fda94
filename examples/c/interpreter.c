/* A model that can be replaced: any file that `mote convert` writes, checked when it is opened. */

#include "board.h"
#include "mote.h"

static uint8_t model[64 * 1024] __attribute__((aligned(16)));
static uint8_t arena[16 * 1024] __attribute__((aligned(16)));
static mote_session session;

int main(void)
{
    size_t length = board_read("model.mote", model, sizeof model);

    mote_error error = mote_session_init(&session, model, length, arena, sizeof arena);
    if (error.code != MOTE_OK)
        return (int)error.code;

    mote_tensor info;
    uint8_t *input = mote_input(&session, 0, &info);
    board_read("input.bin", input, info.bytes);
    mote_run(&session);
    const uint8_t *output = mote_output(&session, 0, &info);
    board_write("output.bin", output, info.bytes);
    return 0;
}
