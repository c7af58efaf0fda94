#!/usr/bin/env bash
# Runs an image in QEMU and prints its log:  run-qemu.sh BOARD ELF [--model FILE --input FILE ...]
#
# The exit code is the image's. The log is decoded by defmt-print; without it the image's report is printed.
# With MOTE_QEMU_SERIAL=stdio the board's serial port is this script's input and output instead, and there is no log.
# A run is ended after MOTE_QEMU_TIMEOUT seconds (600).
set -euo pipefail

board=$1 elf=$2
shift 2
# 64 ns an instruction: with the MPS2 boards' timers that counts instructions exactly. RISC-V harts count themselves.
system=arm shift=6
case $board in
    qemu-m4) machine=(mps2-an386 -cpu cortex-m4) ;;
    qemu-m7) machine=(mps2-an500 -cpu cortex-m7) ;;
    qemu-m33) machine=(mps2-an505 -cpu cortex-m33) ;;
    qemu-m3 | qemu-m0) machine=(mps2-an385 -cpu cortex-m3) ;;
    qemu-riscv) system=riscv32 shift=0 machine=(virt -bios none) ;;
    *) echo "run-qemu.sh: unknown board $board" >&2 && exit 2 ;;
esac

# In QEMU's option lists a comma is written twice.
config=enable=on,target=native,arg=${board}
for arg in "$@"; do config+=,arg=${arg//,/,,}; done

limit=()
if command -v timeout >/dev/null; then limit=(timeout "${MOTE_QEMU_TIMEOUT:-600}"); fi
start=(${limit[@]+"${limit[@]}"} "qemu-system-$system" -machine "${machine[@]}" -icount "shift=$shift"
    -display none -monitor none -kernel "$elf")

if [ -n "${MOTE_QEMU_SERIAL:-}" ]; then
    exec "${start[@]}" -serial "$MOTE_QEMU_SERIAL" -semihosting-config "$config"
fi

qemu() {
    "${start[@]}" -serial null -semihosting-config "$config" </dev/null
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
