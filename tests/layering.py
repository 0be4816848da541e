#!/usr/bin/env python3
"""Reads the includes of every C++ source and fails on one that goes against the direction of the
tree: tools -> models -> {vision, language, predictor, decoder} -> nn -> quant; decoder -> language
for WordPiece alone; nothing includes tests; tests see everything. Fails, too, on a script (a file
that begins with #!) that can't be run.

usage: layering.py ROOT            checks the tree
       layering.py --self-test     plants edges in a made-up tree and sees that they are caught
"""
import pathlib
import re
import sys
import tempfile

# What each module may include besides itself.
ALLOWED = {
    "quant": set(),
    "nn": {"quant"},
    "vision": {"nn", "quant"},
    "language": {"nn", "quant"},
    "predictor": {"nn", "quant"},
    "decoder": {"nn", "quant"},
    "models": {"vision", "language", "predictor", "decoder", "nn", "quant"},
    "tools": {"models", "vision", "language", "predictor", "decoder", "nn", "quant"},
}
# Headers allowed beyond the table: (module, header).
EXTRA = {("decoder", "sterna/language/wordpiece.h")}
# Types of these libraries stay out of public headers, apart from one thin adapter.
PRIVATE_LIBRARIES = re.compile(r"^(Eigen/|opencv2/|tbb/|oneapi/)")
ADAPTERS = {"sterna/vision/opencv.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCES = {".h", ".hpp", ".inc", ".inl", ".cpp", ".cc"}


def module_of(header, quoted, source, root):
    """The module an include leads into, or None for a system header."""
    parts = pathlib.PurePosixPath(header).parts
    if parts[0] == "sterna":
        return parts[1]
    if quoted == '"':
        for base in (source.parent, root / "tools", root):
            target = (base / header).resolve()
            if target.is_file() and root in target.parents:
                return target.relative_to(root).parts[0]
    return None


def check(root):
    """Yields one line a forbidden edge; the number of files read comes last."""
    root = root.resolve()
    files = 0
    for module, allowed in ALLOWED.items():
        for source in sorted((root / module).rglob("*")):
            if source.suffix not in SOURCES:
                continue
            files += 1
            public = "include" in source.relative_to(root).parts
            text = source.read_text(encoding="utf-8", errors="replace")
            for number, line in enumerate(text.splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                quoted, header = match.groups()
                where = f"{source.relative_to(root)}:{number}: {module} includes {header}"
                if public and PRIVATE_LIBRARIES.match(header):
                    if not any(str(source).endswith(adapter) for adapter in ADAPTERS):
                        yield f"{where}: this library stays out of public headers"
                target = module_of(header, quoted, source, root)
                if target is None or target == module or target in allowed:
                    continue
                if (module, header) not in EXTRA:
                    yield f"{where}: {module} may include {', '.join(sorted(allowed)) or 'nothing'}"
    yield files


def not_executable(root):
    """Yields one line a script that lacks the bit."""
    for folder in [*ALLOWED, "tests", ".ci"]:
        for path in sorted((root / folder).rglob("*")):
            if not path.is_file() or path.stat().st_mode & 0o100:
                continue
            with open(path, "rb") as file:
                if file.read(2) == b"#!":
                    yield f"{path.relative_to(root)}: begins with #! and is not executable"


def self_test():
    """Each planted edge must be found, and a clean tree must pass."""
    planted = {
        "quant/a.cpp": "#include <sterna/nn/mat.h>",
        "nn/a.h": "#  include <sterna/vision/image.h>",
        "vision/a.cpp": "#include <sterna/language/tokenizer.h>",
        "language/include/sterna/language/a.h": '#include <sterna/models/gguf.h>',
        "predictor/a.cpp": '#include "../models/private.h"',
        "decoder/a.cpp": "#include <sterna/language/tokenizer.h>",
        "models/a.cpp": '#include "tools/cli.h"',
        "models/b.cpp": '#include "../tests/support/x.h"',
        "nn/include/sterna/nn/e.h": "#include <tbb/task_arena.h>",
        "vision/include/sterna/vision/v.h": "#include <opencv2/core/mat.hpp>",
        "tools/x.cpp": '#include "tests/support/x.h"',
    }
    clean = {
        "quant/ok.cpp": "#include <sterna/quant/isa.h>\n#include <vector>",
        "decoder/ok.cpp": "#include <sterna/language/wordpiece.h>",
        "models/private.h": "#include <sterna/decoder/nearest.h>\n#include \"private.h\"",
        "nn/ok.cpp": "#include <tbb/task_arena.h>",
        "vision/include/sterna/vision/opencv.h": "#include <opencv2/core.hpp>",
        "tools/cli.h": "#include <sterna/models/model.h>",
        "tests/support/x.h": "#include <sterna/models/model.h>",
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in clean.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        *edges, files = check(root)
        assert not edges and files == len(clean) - 1, (edges, files)
        for name, text in planted.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("// line 1\n" + text)
            *edges, _ = check(root)
            assert len(edges) == 1 and edges[0].startswith(f"{name}:2:"), (name, edges)
            (root / name).unlink()
        script = root / "tests/run.py"
        script.write_text("#!/usr/bin/env python3\n")
        script.chmod(0o644)
        assert [line.split(":")[0] for line in not_executable(root)] == ["tests/run.py"]
        script.chmod(0o755)
        assert not [*not_executable(root)]
    print(f"{len(planted)} planted edges and a script, all found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    *faults, files = check(root)
    faults += not_executable(root)
    print("\n".join(faults) if faults else f"{files} files, no forbidden include")
    sys.exit(1 if faults or files == 0 else 0)


if __name__ == "__main__":
    main()
