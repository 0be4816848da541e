#!/usr/bin/env python3
"""Reads the disassembly of the multiplying loops for spills to the stack and copies from register to register. GCC 12 makes
many of both in loops of `_mm512_dpbusd_epi32`, at half the speed, which no test of results sees.

    tests/quant/hot_loops.py BINARY [--show]

A hot loop is an innermost loop with at least eight instructions that multiply, in a function of quant/. Exits with 1, and
the loops, if for each instruction that multiplies one has more than half a move between vector register and stack (two and a
half with the 16 registers of AVX2, where constants stay in memory), or one and a half copies; with 77 where there is nothing to read
(no objdump, not x86-64).
"""
import argparse
import re
import shutil
import subprocess
import sys

MULTIPLIES = re.compile(r"^(?:\{vex\} )?(vpdpbusd|vpdpwssd|vpmaddubsw|vpmaddwd|vdpbf16ps|tdp\w+)\b")
COPY = re.compile(r"^vmov\w+ +%([xyz]mm\d+),%([xyz]mm\d+)$")
STACK = re.compile(r"^vmov\w+ .*%[xyz]mm\d+.*\(%rsp|^vmov\w+ .*\(%rsp.*%[xyz]mm\d+|^vmov\w+ .*\(%rbp.*%[xyz]mm|^vmov\w+ +%[xyz]mm\d+,.*\(%rbp")
JUMP = re.compile(r"^j\w+ +([0-9a-f]+)\b")
LEAST = 8
X86_64 = 62  # e_machine of ELF


def functions(binary):
    """(name, [(address, instruction)]) of every function of quant/."""
    text = subprocess.run(["objdump", "-d", "-C", "--no-show-raw-insn", "--section=.text", binary], capture_output=True, text=True,
                          check=True).stdout
    name, code = None, []
    for line in text.splitlines():
        if start := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            if name:
                yield name, code
            name, code = (start[1] if "sterna::quant::" in start[1] else None), []
        elif name and (one := re.match(r"^ +([0-9a-f]+):\t(.*?)\s*$", line)):
            code.append((int(one[1], 16), one[2]))
    if name:
        yield name, code


def innermost(code):
    """The loops that hold no other: instructions from a jump's target to the jump."""
    back = []
    for at, instruction in code:
        jump = JUMP.match(instruction)
        if jump and code[0][0] <= int(jump[1], 16) <= at:
            back.append((int(jump[1], 16), at))
    for first, last in back:
        if not any((a, b) != (first, last) and first <= a and b <= last for a, b in back):
            yield first, [i for at, i in code if first <= at <= last]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--show", action="store_true", help="every hot loop")
    args = parser.parse_args()
    with open(args.binary, "rb") as file:
        machine = int.from_bytes(file.read(20)[18:], "little")
    if shutil.which("objdump") is None or machine != X86_64:
        print(f"{args.binary}: not read: no objdump, or not x86-64 (ELF machine {machine})")
        sys.exit(77)
    seen, bad = 0, 0
    for name, code in functions(args.binary):
        for at, loop in innermost(code):
            products = sum(bool(MULTIPLIES.match(i)) for i in loop)
            if products < LEAST:
                continue
            seen += 1
            spills, copies = sum(bool(STACK.match(i)) for i in loop), sum(bool(COPY.match(i)) for i in loop)
            most = 0.5 if any("%zmm" in i for i in loop) else 2.5
            wrong = spills > most * products or copies > 1.5 * products
            bad += wrong
            if wrong or args.show:
                print(f"{'BAD ' if wrong else ''}{name[:150]} at {at:x}: {products} multiply, {copies} copies, {spills} to or from the stack")
    if seen == 0:
        sys.exit(f"{args.binary}: expected loops of quant/ that multiply, found none")
    print(f"{seen} hot loops, {bad} with spills or copies")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
