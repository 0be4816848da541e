#!/usr/bin/env python3
"""Installs a build into a folder, builds programs against it as a user would, and runs them.

usage: check.py BUILD SOURCE MODEL
"""
import os
import pathlib
import shutil
import subprocess
import sys


def run(*command, **options):
    print("$", *command, flush=True)
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: exit code {done.returncode}")
    return done.stdout


def cache_value(build, name):
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.partition("=")[2]
    return ""


def main():
    build, source, model = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    work = build / "package"
    shutil.rmtree(work, ignore_errors=True)
    prefix = work / "moved"
    run("cmake", "--install", build, "--prefix", work / "prefix")
    (work / "prefix").rename(prefix)  # what is installed must not know where it lies
    here = source / "tests" / "package"
    photo = source / "tools" / "examples" / "photos" / "cat.jpg"
    # Nothing but the installed tree may be found: not the build, not the model in the source tree.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("STERNA", "LD_", "CMAKE_"))}

    opencv = cache_value(build, "STERNA_OPENCV") == "ON"
    options = [f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release",
               "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"]
    if opencv:
        options.append("-DMAKE_CLIP=ON")
    run("cmake", "-S", here, "-B", work / "user", "-G", "Ninja", *options, env=clean)
    run("cmake", "--build", work / "user", env=clean)
    question = "what is in the picture?"
    by_cmake = run(work / "user" / "user", model, photo, question, env=clean)
    if opencv:
        run(work / "user" / "make_clip", work / "clip.avi", env=clean)
        run("cmake", "-S", source / "tools" / "examples", "-B", work / "examples", "-G", "Ninja",
            *options[:3], env=clean)
        run("cmake", "--build", work / "examples", env=clean)
        shown = run(work / "examples" / "video_loop", work / "clip.avi", model, env=clean)
        if not shown.strip():
            sys.exit("video_loop printed nothing")

    libdir = prefix / cache_value(build, "CMAKE_INSTALL_LIBDIR")
    pkg = clean | {"PKG_CONFIG_PATH": str(libdir / "pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "sterna", env=pkg).split()
    version = run("pkg-config", "--modversion", "sterna", env=pkg).strip()
    compiler = cache_value(build, "CMAKE_CXX_COMPILER")
    run(compiler, here / "user.cpp", "-o", work / "by_pkg_config", *flags,
        f"-Wl,-rpath,{libdir}", env=clean)
    by_pkg_config = run(work / "by_pkg_config", model, photo, question, env=clean)
    if by_pkg_config != by_cmake:
        sys.exit("the two programs don't agree")

    sterna = prefix / "bin" / "sterna"
    if version not in run(sterna, "--version", env=clean):
        sys.exit("the program and sterna.pc are of different versions")
    run(sterna, "ask", "--model", model, photo, question, cwd="/", env=clean)
    if (prefix / "share/sterna/sterna-nano.gguf").exists():
        run(sterna, "ask", photo, question, cwd="/", env=clean)
    run(sterna, "index", "build", "--model", model, photo, "-o", work / "index", cwd="/", env=clean)
    for part in ("share/man/man1/sterna.1", "share/bash-completion/completions/sterna",
                 "share/zsh/site-functions/_sterna", "share/fish/vendor_completions.d/sterna.fish"):
        if not (prefix / part).is_file():
            sys.exit(f"{part} was not installed")


if __name__ == "__main__":
    main()
