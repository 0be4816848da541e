#!/usr/bin/env python3
"""Full-size shapes with random weights: V-JEPA 2 ViT-L, 8 layers of Llama 3.2 1B, EmbeddingGemma 300M, in
open-vljepa's folder, bf16 (2.7 GB). An 8-frame question here and in PyTorch bf16 on the same cores, one after the
other: load time, memory beside the weights, seconds; and how far the two agree. Ours runs from files that `sterna
model convert` makes beside the folder: maps in bf16; and all blocks ternary, other maps and tables int8.

    pip install torch==2.15.* transformers==5.23.0 safetensors==0.8.0 sentence-transformers==6.2.0
    tests/perf/full_size.py make FOLDER                                    # once; a minute
    tests/perf/full_size.py ask FOLDER build/release [FILE...] [--threads N] [--turns N]   # bf16, int8, ternary
    tests/perf/full_size.py agree FOLDER build/release                     # cosines of what both give
"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
import transformers as t
from safetensors.torch import load_file, save_file
from transformers.initialization import no_init_weights

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
from open_vljepa import OpenVljepa  # noqa: E402

FRAMES, SIDE, QUERY, TEXT, DIM = 8, 256, 16, 16, 1536
FILES = {"bf16": ["@maps=bf16"], "int8": ["@maps=i8", "@tables=i8"], "ternary": ["@blocks=t5", "@maps=i8", "@tables=i8"]}


def model():
    """The network, its weights not yet made."""
    x = t.VJEPA2Config(pred_num_hidden_layers=0)  # its own predictor is no part of this model
    llama = t.LlamaConfig(
        vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=8, num_attention_heads=32,
        num_key_value_heads=8, head_dim=64, rms_norm_eps=1e-5, max_position_embeddings=131072, rope_parameters={
            "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})
    llama._attn_implementation = "sdpa"
    gemma = t.Gemma3TextConfig(
        vocab_size=262144, hidden_size=768, intermediate_size=1152, num_hidden_layers=24, num_attention_heads=3,
        num_key_value_heads=1, head_dim=256, query_pre_attn_scalar=256, sliding_window=512, max_position_embeddings=2048,
        use_bidirectional_attention=True,
        layer_types=["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(24)])
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with no_init_weights():
            return OpenVljepa(x, llama, gemma, keep=8, dim=DIM).eval()
    finally:
        torch.set_default_dtype(before)


def inputs():
    torch.manual_seed(2)
    return {"pixels": torch.randn(1, FRAMES, 3, SIDE, SIDE), "query_ids": torch.randint(5, 30000, (1, QUERY)),
            "query_mask": torch.ones(1, QUERY), "target_ids": torch.randint(5, 30000, (2, TEXT)),
            "target_mask": torch.ones(2, TEXT)}


def make(args):
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    net = model()
    most = 1 << 22
    some, at = torch.randn(2 * most).bfloat16(), 0  # drawing each of 1.4 billion would take minutes
    for name, p in net.named_parameters():
        flat = p.data.view(-1)
        for begin in range(0, flat.numel(), most):
            piece = flat[begin:begin + most]
            at = (at + 1000003) % most
            piece.copy_(some[at:at + len(piece)])
        norm = p.dim() == 1 and "norm" in name
        flat *= 0.02 if "embed_tokens" in name else 0.1 if p.dim() == 1 else p[0].numel() ** -0.5
        if norm and name.endswith("weight") and "y_encoder" not in name:  # Gemma's gains are around 0
            flat += 1
    (args.folder / "config.json").write_text(json.dumps(net.config, indent=1, default=str) + "\n")
    save_file({k: v.contiguous() for k, v in net.state_dict().items() if not k.startswith("rotary")},
              args.folder / "model.safetensors")
    g = inputs()
    tokens = net.see(g["pixels"].bfloat16())
    g |= {"vision_tokens": tokens, "predicted": net.predict(tokens, g["query_ids"], g["query_mask"]),
          "target": net.target(g["target_ids"], g["target_mask"])}
    save_file({k: v.float().contiguous() if v.is_floating_point() else v for k, v in g.items()},
              args.folder / "golden.safetensors")


def status(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0


def pytorch(args):
    """One JSON object, as perf_full_size prints it."""
    torch.set_num_threads(args.threads)
    start = time.perf_counter()
    net = model()
    net.load_state_dict(load_file(args.folder / "model.safetensors"), strict=False)
    load = time.perf_counter() - start
    g = inputs()
    pixels, best = g["pixels"].bfloat16(), {"see_s": 1e9, "predict_s": 1e9, "answer_text_s": 1e9}

    def timed(what, work):
        begin = time.perf_counter()
        out = work()
        best[what] = min(best[what], time.perf_counter() - begin)
        print(f"{what} {time.perf_counter() - begin:.2f}", file=sys.stderr, flush=True)
        return out
    for _ in range(args.turns):
        tokens = timed("see_s", lambda: net.see(pixels))
        timed("predict_s", lambda: net.predict(tokens, g["query_ids"], g["query_mask"]))
        timed("answer_text_s", lambda: net.target(g["target_ids"][:1], g["target_mask"][:1]))
    weights = os.path.getsize(args.folder / "model.safetensors") / 1e6
    print(json.dumps({"weights_mb": round(weights), "load_s": round(load, 2),
                      "rss_mb": round(status("VmRSS")), "rss_top_mb": round(status("VmHWM")),
                      "rss_by_weights": round(status("VmHWM") / weights, 3),
                      **{k: round(v, 3) for k, v in best.items()},
                      "question_s": round(best["see_s"] + best["predict_s"], 2)}))


def ask(args):
    keys = ["weights", "weights_mb", "load_s", "rss_top_mb", "rss_by_weights", "see_s", "predict_s", "question_s",
            "answer_text_s"]
    print("  ".join(f"{k:>14}" for k in keys))
    runs = {}
    for name in args.types or FILES:
        runs[name] = [args.build / "bin/perf_full_size", converted(args, name), "bf16", args.threads, FRAMES, SIDE, args.turns]
    runs["PyTorch bf16"] = [sys.executable, __file__, "pytorch", args.folder, "--threads", args.threads, "--turns", args.turns]
    for name, run in runs.items():
        found = json.loads(subprocess.run(list(map(str, run)), check=True, capture_output=True, text=True).stdout)
        found["weights"] = name
        print("  ".join(f"{found.get(k, ''):>14}" for k in keys), flush=True)


def converted(args, name):
    file = args.folder.with_name(f"{args.folder.name}.{name}.gguf")
    if not file.exists():
        rules = [word for rule in FILES[name] for word in ("--type", rule)]
        subprocess.run([args.build / "bin/sterna", "model", "convert", args.folder, file, *rules], check=True, stdout=subprocess.DEVNULL)
    return file


def agree(args):
    for kind in args.types or ["bf16"]:
        subprocess.run([args.build / "bin/sterna", "model", "check", args.folder, "--golden",
                        args.folder / "golden.safetensors", "--weights", kind, "--min-cosine", "-1"], check=True)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "ask", "agree", "pytorch"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("build", type=Path, nargs="?", default=Path("build/release"))
    parser.add_argument("types", nargs="*")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--turns", type=int, default=2)
    args = parser.parse_args()
    {"make": make, "ask": ask, "agree": agree, "pytorch": pytorch}[args.what](args)


if __name__ == "__main__":
    main()
