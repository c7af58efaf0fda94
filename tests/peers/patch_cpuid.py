"""Takes `cpuid` out of programs and libraries, in place: python patch_cpuid.py FILE-OR-FOLDER...

Each becomes 0f ff, which no processor executes and no compiler writes; isamask.c, preloaded, answers in its place.
Instructions are found by objdump, since the same two bytes occur inside of others.
"""

import struct
import subprocess
import sys
from pathlib import Path

CPUID, NONE = b"\x0f\xa2", b"\x0f\xff"


def segments(data):
    """Address, offset and length of what is loaded from a 64-bit file."""
    (start,), (size, count) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, start + i * size)
        if kind == 1:
            yield address, offset, length


def patch(path):
    data = bytearray(path.read_bytes())
    if data[:5] != b"\x7fELF\x02" or CPUID not in data:
        return
    command = ["objdump", "--disassemble", "--no-show-raw-insn", "--wide", str(path)]
    lines = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace").stdout
    found = 0
    for line in lines:
        address, _, instruction = line.partition(":\t")
        if instruction.strip() != "cpuid":
            continue
        address = int(address, 16)
        start, offset, _ = next(s for s in segments(data) if s[0] <= address < s[0] + s[2])
        at = address - start + offset
        if data[at : at + 2] != CPUID:
            raise ValueError(f"{path}: no cpuid at {at}")
        data[at : at + 2] = NONE
        found += 1
    if found:
        path.write_bytes(data)
        print(f"{path.name}: {found}", file=sys.stderr)


for argument in map(Path, sys.argv[1:]):
    files = [argument] if argument.is_file() else argument.rglob("*.so*")
    for file in files:
        if file.is_file() and not file.is_symlink():
            patch(file)
