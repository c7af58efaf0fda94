/* Answers `cpuid` for programs whose own instruction has been taken out by patch_cpuid.py, without the features beyond
 * the instruction set that MOTE_ISA_MASK names: avx2, avx-vnni; of AVX-512 only AMX is hidden. Preloaded.
 * The bits are those of Intel's manual, volume 2A, CPUID, leaf 7.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { BEYOND_AVX512, AVX512, AVX_VNNI };

/* The lowest kind of feature that is hidden. */
static int hidden = BEYOND_AVX512;

static uint32_t bits(const int *list, int count) {
  uint32_t all = 0;
  for (int i = 0; i < count; i++) all |= 1u << list[i];
  return all;
}
#define BITS(...) bits((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void mask(uint32_t leaf, uint32_t sub, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d) {
  if (leaf == 7 && sub == 0) {
    *d &= ~BITS(22, 24, 25); /* AMX: bf16, tiles, int8 */
    if (hidden >= AVX512) {
      *b &= ~BITS(16, 17, 21, 26, 27, 28, 30, 31);
      *c &= ~BITS(1, 6, 11, 12, 14);
      *d &= ~BITS(2, 3, 8, 23);
    }
  } else if (leaf == 7 && sub == 1) {
    *a &= ~BITS(21); /* AMX: fp16 */
    *d &= ~BITS(8);  /* AMX: complex */
    if (hidden >= AVX512) {
      *a &= ~BITS(5);  /* AVX-512 bf16 */
      *d &= ~BITS(19); /* AVX10 */
    }
    if (hidden >= AVX_VNNI) {
      *a &= ~BITS(4, 23);     /* AVX-VNNI, AVX-IFMA */
      *d &= ~BITS(4, 5, 10); /* AVX-VNNI of other types, conversions */
    }
  } else if (leaf == 0x1d || leaf == 0x1e) {
    *a = *b = *c = *d = 0; /* what tiles there are */
  }
}

static void answer(int signal_number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  const uint8_t *code = (const uint8_t *)r[REG_RIP];
  if (code[0] != 0x0f || code[1] != 0xff) { /* another one's */
    signal(signal_number, SIG_DFL);
    return;
  }
  uint32_t leaf = r[REG_RAX], sub = r[REG_RCX], a, b, c, d;
  __cpuid_count(leaf, sub, a, b, c, d);
  mask(leaf, sub, &a, &b, &c, &d);
  r[REG_RAX] = a, r[REG_RBX] = b, r[REG_RCX] = c, r[REG_RDX] = d;
  r[REG_RIP] += 2;
}

__attribute__((constructor(101))) static void begin(void) {
  const char *isa = getenv("MOTE_ISA_MASK");
  if (isa && !strcmp(isa, "avx2")) hidden = AVX_VNNI;
  if (isa && !strcmp(isa, "avx-vnni")) hidden = AVX512;
  struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
  sigaction(SIGILL, &action, 0);
}
