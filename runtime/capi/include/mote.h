// mote for C: loads a model and runs it in memory of the caller's. No allocation, no printing.
//
// A session is one caller's at a time; several sessions are independent of each other. The documentation is
// docs/embed.md. This file is made from runtime/capi by cbindgen.

#ifndef MOTE_H
#define MOTE_H

#include <stddef.h>
#include <stdint.h>

// What went wrong.
typedef enum {
  // Nothing.
  MOTE_OK = 0,
  // A pointer is null or not aligned.
  MOTE_POINTER,
  // The arena is too small; `detail` is the bytes that the model needs.
  MOTE_ARENA,
  // The bytes end early; `detail` is how many are needed.
  MOTE_TRUNCATED,
  // The model does not start at a multiple of `detail` bytes in memory.
  MOTE_MISALIGNED,
  // The bytes are no mote model.
  MOTE_NOT_A_MODEL,
  // The format's version, `detail`, is unknown.
  MOTE_VERSION,
  // The checksum does not match.
  MOTE_CHECKSUM,
  // The operator with code `detail` is not in this library.
  MOTE_OPERATOR,
  // A kernel needs `detail` bytes of scratch, and the model gives it fewer: it must be converted again.
  MOTE_SCRATCH,
  // Something else in the model contradicts the format.
  MOTE_MALFORMED,
} mote_code;

// The element type of a tensor.
typedef enum {
  // `int8_t`, quantized.
  MOTE_I8 = 0,
  // `int32_t`.
  MOTE_I32 = 1,
  // `float`.
  MOTE_F32 = 2,
  // `uint8_t`, quantized.
  MOTE_U8 = 3,
  // `int16_t`, quantized.
  MOTE_I16 = 4,
} mote_type;

// The result of what can fail.
typedef struct {
  // What went wrong, `MOTE_OK` for nothing.
  mote_code code;
  // Where in the model, in bytes from its start.
  uint32_t at;
  // A number that belongs to the code.
  uint32_t detail;
} mote_error;

// A model and its arena, in memory of the caller's. It stays where it is, as do the model and the arena.
typedef struct {
  size_t opaque[24];
} mote_session;

// What is known of an input or an output. Of a quantized one, real = scale * (q - zero).
typedef struct {
  // The element type.
  mote_type kind;
  // Number of dimensions.
  uint32_t rank;
  // The dimensions, outermost first; the unused ones are 1.
  uint32_t dims[6];
  // The scale.
  float scale;
  // The stored value of a real zero.
  int32_t zero;
  // Length in bytes.
  size_t bytes;
} mote_tensor;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Checks a model, and says how many bytes its arena takes. It must start at a multiple of 16 bytes.
//
// # Safety
//
// `model` points to `len` bytes; `arena_bytes` is null or points to a `size_t`.
mote_error mote_model_check(const uint8_t *model, size_t len, size_t *arena_bytes);

// Checks a model and opens a session on it. The model and the arena belong to the session from here on; both stay
// where they are, and the model is not written. States hold their initial values.
//
// # Safety
//
// `session` points to a `mote_session`, `model` to `len` bytes, `arena` to `arena_len` bytes that nothing else uses.
mote_error mote_session_init(mote_session *session,
                             const uint8_t *model,
                             size_t len,
                             uint8_t *arena,
                             size_t arena_len);

// Input `i`, to be written before each run, since later steps use its bytes; null when there is none. What is known of
// it goes to `info`, unless that is null.
//
// # Safety
//
// The session was opened; `info` is null or points to a `mote_tensor`.
uint8_t *mote_input(mote_session *session,
                    size_t i,
                    mote_tensor *info);

// Output `i`, valid from a run to the next write of an input; null when there is none. What is known of it goes to
// `info`, unless that is null.
//
// # Safety
//
// The session was opened; `info` is null or points to a `mote_tensor`.
const uint8_t *mote_output(mote_session *session,
                           size_t i,
                           mote_tensor *info);

// One inference.
//
// # Safety
//
// The session was opened.
void mote_run(mote_session *session);

// Gives the states their initial values again: a sequence starts anew.
//
// # Safety
//
// The session was opened.
void mote_reset(mote_session *session);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MOTE_H */
