#!/usr/bin/env bash
# Runs an image in QEMU and prints its log:  run-qemu.sh BOARD ELF [--model FILE --input FILE ...]
#
# The exit code is the image's. The log is decoded by defmt-print; without it the image's report is printed.
# A run is ended after MOTE_QEMU_TIMEOUT seconds (600).
set -euo pipefail

board=$1 elf=$2
shift 2
case $board in
    qemu-m4) machine=mps2-an386 cpu=cortex-m4 ;;
    qemu-m3 | qemu-m0) machine=mps2-an385 cpu=cortex-m3 ;;
    *) echo "run-qemu.sh: unknown board $board" >&2 && exit 2 ;;
esac

# In QEMU's option lists a comma is written twice.
config=enable=on,target=native,arg=${board}
for arg in "$@"; do config+=,arg=${arg//,/,,}; done

qemu() {
    local limit=()
    if command -v timeout >/dev/null; then limit=(timeout "${MOTE_QEMU_TIMEOUT:-600}"); fi
    # 64 ns an instruction: with the boards' 25 MHz timers that counts instructions exactly.
    ${limit[@]+"${limit[@]}"} qemu-system-arm -machine "$machine" -cpu "$cpu" -icount shift=6 \
        -nographic -monitor none -serial null -semihosting-config "$config" -kernel "$elf" </dev/null
}

tools=$(dirname "$0")/../target/tools/bin
decoder=${DEFMT_PRINT:-$(PATH=$tools:$PATH command -v defmt-print || true)}
if [ -n "$decoder" ]; then
    qemu | "$decoder" -e "$elf"
    exit
fi

echo "defmt-print is missing, so the log cannot be read; it comes with: cargo xtask setup" >&2
case " $* " in *" --report "*) qemu >/dev/null && exit ;; esac
report=$(mktemp)
trap 'rm -f "$report"' EXIT
config+=,arg=--report,arg=${report//,/,,}
status=0
qemu >/dev/null || status=$?
cat "$report"
exit $status
