#!/usr/bin/env python3
"""Towers of full size and random weights, here and in OpenVINO and onnxruntime: the same weights, the same inputs, in turns in
one run. Prints for each the milliseconds of a batch (median of the turns), the ratio of ours to the fastest peer of its kind
(bf16 or int8), and the cosine of its last hidden states with PyTorch's in float32.

    pip install torch==2.15.* transformers==5.23.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 openvino==2026.4.1
    tests/perf/towers_against_peers.py WORK [BUILD] [--towers vit_b,vit_l,minilm] [--threads 1,2] [--batches 1,8] [--turns N]

WORK keeps the models (1.6 GB for all three). int8 is each runtime's own: onnxruntime's dynamic quantisation (weights a
channel, inputs a tensor), the same file in OpenVINO, ours a token and a row. A quiet machine is needed: see tools/CONTRIBUTING.md.
"""
import argparse
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch
import transformers as t
from onnxruntime.quantization import QuantType, quantize_dynamic

VIT_B = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)
VIT_L = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)
MINILM = dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
TOWERS = {"vit_b": (224, lambda: t.ViTModel(t.ViTConfig(image_size=224, **VIT_B), add_pooling_layer=False)),
          "vit_l": (256, lambda: t.ViTModel(t.ViTConfig(image_size=256, **VIT_L), add_pooling_layer=False)),
          "minilm": (128, lambda: t.BertModel(t.BertConfig(**MINILM), add_pooling_layer=False))}


class States(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x).last_hidden_state


def batch_of(name, size, count):
    torch.manual_seed(count)
    return torch.randint(5, 30000, (count, size)) if name == "minilm" else torch.randn(count, 3, size, size)


def make(work, name):
    """The folder that we open, the ONNX files that the peers open, and the network."""
    size, build = TOWERS[name]
    torch.manual_seed(1)
    net = build().float().eval()
    folder = work / name
    if not (folder / "config.json").exists():
        net.save_pretrained(folder)
    plain, int8 = work / f"{name}.onnx", work / f"{name}.int8.onnx"
    if not int8.exists():
        torch.onnx.export(States(net).eval(), (batch_of(name, size, 1),), plain, input_names=["x"], output_names=["states"],
                          dynamic_axes={"x": {0: "n"}}, dynamo=False, opset_version=17)
        quantize_dynamic(plain, int8, weight_type=QuantType.QInt8, per_channel=True)
    return net, folder, plain, int8


class Ours:
    def __init__(self, build, folder, kind, threads, x, work):
        inputs = work / f"input.{kind}"
        inputs.write_bytes((x.numpy().astype(np.int32) if x.dtype == torch.int64 else x.numpy()).tobytes())
        self.states = work / "states"
        self.process = subprocess.Popen([build / "bin/perf_towers", folder, kind, str(threads), str(len(x)), str(x.shape[-1]),
                                         inputs], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, line):
        print(line, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def run(self):
        return self.tell("run")

    def output(self):
        self.tell(f"save {self.states}")
        return np.fromfile(self.states, np.float32)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    def __init__(self, call):
        self.call = call

    def run(self):
        start = time.perf_counter()
        self.call()
        return time.perf_counter() - start

    def output(self):
        return np.asarray(self.call()).ravel()

    def close(self):
        pass


def in_onnxruntime(path, threads, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"x": x.numpy()}
    return Peer(lambda: session.run(None, feed)[0])


def in_openvino(path, threads, x, precision):
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(list(x.shape))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                                                 "INFERENCE_PRECISION_HINT": precision})
    request, feed = compiled.create_infer_request(), x.numpy()
    return Peer(lambda: request.infer([feed])[0])


def measure(args, name, net, folder, plain, int8):
    size = TOWERS[name][0]
    for threads in args.threads:
        for count in args.batches:
            x = batch_of(name, size, count)
            with torch.no_grad():
                truth = net(x).last_hidden_state.numpy().ravel()
            runs = {("bf16", "Sterna"): Ours(args.build, folder, "bf16", threads, x, args.work),
                    ("bf16", "OpenVINO"): in_openvino(plain, threads, x, "bf16")}
            runs[("int8", "Sterna")] = Ours(args.build, folder, "i8", threads, x, args.work)
            runs[("int8", "OpenVINO")] = in_openvino(int8, threads, x, "bf16")
            runs[("int8", "onnxruntime")] = in_onnxruntime(int8, threads, x)
            seconds = {key: [] for key in runs}
            for turn in range(args.turns + 1):
                for key, run in runs.items():
                    time.sleep(0.1)  # until threads of the one before stop spinning
                    took = run.run()
                    if turn:
                        seconds[key].append(took)
            median = {key: statistics.median(s) for key, s in seconds.items()}
            for (kind, who), run in runs.items():
                out = run.output()
                cosine = float(out @ truth / np.linalg.norm(out) / np.linalg.norm(truth))
                best = min(v for (k, w), v in median.items() if k == kind and w != "Sterna")
                ratio = f"{median[kind, who] / best:.2f}" if who == "Sterna" else ""
                print(f"{name:7} {threads} thread{'s' if threads > 1 else ' '} batch {count}  {kind}  {who:12} "
                      f"{median[kind, who] * 1e3:9.2f} ms  {ratio:5} {cosine:.5f}", flush=True)
                run.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("build", type=Path, nargs="?", default=Path("build/release"))
    numbers = lambda text: [int(v) for v in text.split(",")]
    parser.add_argument("--towers", type=lambda text: text.split(","), default=list(TOWERS))
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batches", type=numbers, default=[1, 8])
    parser.add_argument("--turns", type=int, default=9)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for name in args.towers:
        measure(args, name, *make(args.work, name))


if __name__ == "__main__":
    main()
