# Toolchain file: Debian's cross compiler for aarch64; tests run under qemu's user mode. The
# environment variable QEMU_CPU chooses the processor (`qemu-aarch64 -cpu help` lists them); without
# it there is every extension that qemu knows.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
