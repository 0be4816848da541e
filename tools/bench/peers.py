#!/usr/bin/env python3
"""Sterna beside other runtimes, in turns in one run; what `sterna bench kernels --peers` and `sterna bench towers FOLDER
--peers` go on as. Whatever cannot be imported is named and left out.

    pip install numpy onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 pywhispercpp==1.5.1       # kernels
    pip install torch==2.15.* transformers==5.23.0 onnxscript==0.7.2                               # and towers
    tools/bench/peers.py kernels [--sterna PROGRAM] [--threads 1,2] [--turns N] [--json]
    tools/bench/peers.py towers FOLDER [--sterna PROGRAM] [--towers vit_b,vit_l,minilm] [--threads 1,2] [--batches 1,8]

kernels: maps of 4096 x 4096 of n tokens, GOPS (2 m k n operations a map, the median of the turns) and the ratio of ours to the
fastest peer of its kind. ggml's are TQ1_0 and TQ2_0 by ggml_mul_mat, of pywhispercpp's wheel.
towers: ViT-B/16, ViT-L/16 and MiniLM of random weights, which FOLDER keeps (1.6 GB for all three); milliseconds of a batch (the
median), the ratio of ours to the fastest peer's of its kind (bf16 or int8), and the cosine of the last hidden states with
PyTorch's in float32. int8 is each runtime's own: onnxruntime's dynamic quantisation (weights a channel, inputs a tensor), the
same file in OpenVINO, ours a token and a row.
A quiet machine is needed: see README.md beside this file.
"""
import argparse
import ctypes
import functools
import glob
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SIDE = 4096  # of the kernels' maps
SLICE = 0.008  # seconds that a kernel runs at least, as KernelCase::measure
REST = 0.1  # seconds before each run: until threads of the one before stop spinning


@functools.cache
def have(*names):
    """Whether these modules can be imported; says so once if not."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as e:
            print(f"without {name}: {e}", file=sys.stderr)
            return False
    return True


class Ours:
    """`sterna bench turns`: a process that runs whenever it is told to."""

    def __init__(self, program, threads, *what):
        self.process = subprocess.Popen([program, "bench", "turns", *map(str, what), "--threads", str(threads)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, line):
        print(line, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def run(self):
        return self.tell("run")

    def output(self, file):
        import numpy as np
        self.tell(f"save {file}")
        return np.fromfile(file, np.float32)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """A call that runs one batch."""

    def __init__(self, call):
        self.call = call

    def run(self):
        start = time.perf_counter()
        self.call()
        return time.perf_counter() - start

    def output(self, file):
        import numpy as np
        return np.asarray(self.call()).ravel()

    def close(self):
        pass


class Kernel(Peer):
    """A call that takes `count` maps, as long again and again as ours: a slice to wake up, and one that counts."""

    def __init__(self, call, count=1):
        super().__init__(call)
        self.count = count

    def run(self):
        for _ in range(2):
            calls, start = 0, time.perf_counter()
            while (took := time.perf_counter() - start) < SLICE:
                self.call()
                calls += 1
        return took / (calls * self.count)


def in_turns(runs, turns):
    """name -> median seconds. The first turn warms up."""
    seconds = {name: [] for name in runs}
    for turn in range(turns + 1):
        for name, run in runs.items():
            time.sleep(REST)
            took = run.run()
            if turn:
                seconds[name].append(took)
    return {name: statistics.median(s) for name, s in seconds.items()}


class Ggml:
    """ggml's own graph of ggml_mul_mat, through the libraries of pywhispercpp's wheel."""

    TYPES = {"TQ1_0": 34, "TQ2_0": 35}  # enum ggml_type

    class Params(ctypes.Structure):
        _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]

    def __init__(self):
        folder = Path(importlib.util.find_spec("pywhispercpp").origin).parents[1] / "pywhispercpp.libs"
        base, cpu = (glob.glob(str(folder / f"libggml-{part}-*"))[0] for part in ("base", "cpu"))
        self.base, self.cpu = (ctypes.CDLL(lib, mode=ctypes.RTLD_GLOBAL) for lib in (base, cpu))
        for name in ("ggml_init", "ggml_new_tensor_2d", "ggml_mul_mat", "ggml_new_graph", "ggml_get_data"):
            getattr(self.base, name).restype = ctypes.c_void_p
        self.base.ggml_quantize_chunk.restype = ctypes.c_size_t
        self.cpu.ggml_cpu_init()

    def maps(self, kind, n, copies, threads):
        """`copies` products of as many matrices with n tokens, computed by one call."""
        import numpy as np
        b, p, size = self.base, ctypes.c_void_p, ctypes.c_int64
        context = p(b.ggml_init(self.Params((copies << 23) + (1 << 30), None, False)))
        w = np.random.default_rng(1).standard_normal((SIDE, SIDE), dtype=np.float32)
        packed = ctypes.create_string_buffer(SIDE * SIDE)
        bytes_ = b.ggml_quantize_chunk(self.TYPES[kind], w.ctypes.data_as(p), packed, size(0), size(SIDE), size(SIDE), None)
        x = p(b.ggml_new_tensor_2d(context, 0, size(SIDE), size(n)))
        ctypes.memmove(b.ggml_get_data(x), np.ascontiguousarray(w[:n]).ctypes.data, 4 * SIDE * n)
        graph = p(b.ggml_new_graph(context))
        for _ in range(copies):
            a = p(b.ggml_new_tensor_2d(context, self.TYPES[kind], size(SIDE), size(SIDE)))
            ctypes.memmove(b.ggml_get_data(a), packed, bytes_)
            b.ggml_build_forward_expand(graph, p(b.ggml_mul_mat(context, a, x)))
        return Kernel(lambda: self.cpu.ggml_graph_compute_with_ctx(context, graph, threads), copies)


def matmul_integer(n, threads):
    """onnxruntime's MatMulInteger: dense int8 weights."""
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
    w = np.random.default_rng(1).integers(-127, 128, (SIDE, SIDE), dtype=np.int8)
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["x", "w"], ["y"])], "g",
                              [helper.make_tensor_value_info("x", TensorProto.UINT8, [n, SIDE])],
                              [helper.make_tensor_value_info("y", TensorProto.INT32, [n, SIDE])],
                              [onnx.numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"x": np.full((n, SIDE), 3, np.uint8)}
    return Kernel(lambda: session.run(None, feed))


def kernels(args):
    ggml = Ggml() if have("numpy", "pywhispercpp") else None
    dense = have("numpy", "onnx", "onnxruntime")
    for threads in args.threads:
        for n in (1, 8, 64, 512):
            span = 64 << 20 if n == 1 else 0  # from memory
            runs = {("ternary", f"Sterna {t}"): Ours(args.sterna, threads, "kernel", t, SIDE, SIDE, n, span) for t in ("t5", "t2")}
            if ggml:
                runs |= {("ternary", f"ggml {t}"): ggml.maps(t, n, 16 if n == 1 else 1, threads) for t in Ggml.TYPES}
            runs["int8", "Sterna i8"] = Ours(args.sterna, threads, "kernel", "i8", SIDE, SIDE, n, 0)
            if dense:
                runs["int8", "onnxruntime MatMulInteger"] = matmul_integer(n, threads)
            rate = {key: 2e-9 * SIDE * SIDE * n / s for key, s in in_turns(runs, args.turns).items()}
            for (kind, who), run in runs.items():
                peers = [v for (k, w), v in rate.items() if k == kind and not w.startswith("Sterna")]
                ratio = rate[kind, who] / max(peers) if peers and who.startswith("Sterna") else None
                tell(args, {"kernel": who, "kind": kind, "threads": threads, "n": n, "gops": rate[kind, who], "times_fastest_peer": ratio},
                     f"n={n:<4} {threads} thread{'s' if threads > 1 else ' '}  {kind:8} {who:26} {rate[kind, who]:8.0f} GOPS"
                     + (f"  {ratio:5.2f} times the fastest peer" if ratio else ""))
                run.close()


def tell(args, row, text):
    print(json.dumps(row) if args.json else text, flush=True)


def towers(args):
    if not have("torch", "transformers", "onnx", "onnxruntime"):  # they make the towers
        sys.exit(3)
    import peer_towers
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.towers:
        peer_towers.measure(args, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="what", required=True)
    numbers = lambda text: [int(v) for v in text.split(",")]
    for what in (kernels, towers):
        verb = verbs.add_parser(what.__name__)
        verb.set_defaults(run=what)
        if what is towers:
            verb.add_argument("folder", type=Path)
            verb.add_argument("--towers", type=lambda text: text.split(","), default=["vit_b", "vit_l", "minilm"])
            verb.add_argument("--batches", type=numbers, default=[1, 8])
        verb.add_argument("--sterna", default="sterna", help="the program")
        verb.add_argument("--threads", type=numbers, default=sorted({1, os.cpu_count() or 1}))
        verb.add_argument("--turns", type=int, default=9)
        verb.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
