"""The towers of peers.py: ViT-B/16, ViT-L/16 and MiniLM of random weights here, in OpenVINO and in onnxruntime."""
import numpy as np
import onnxruntime
import torch
import transformers as t
from onnxruntime.quantization import QuantType, quantize_dynamic
from peers import Ours, Peer, have, in_turns, tell

VIT_B = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)
VIT_L = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)
MINILM = dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
SIZES = {"vit_b": 224, "vit_l": 256, "minilm": 128}  # pixels of a side, tokens


def network(name):
    if name == "minilm":
        return t.BertModel(t.BertConfig(**MINILM), add_pooling_layer=False)
    return t.ViTModel(t.ViTConfig(image_size=SIZES[name], **(VIT_B if name == "vit_b" else VIT_L)), add_pooling_layer=False)


def batch_of(name, count):
    torch.manual_seed(count)
    size = SIZES[name]
    return torch.randint(5, 30000, (count, size)) if name == "minilm" else torch.randn(count, 3, size, size)


class States(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x).last_hidden_state


def make(work, name):
    """The folder that we open, the ONNX files that the peers open, and the network."""
    torch.manual_seed(1)
    net = network(name).float().eval()
    folder = work / name
    if not (folder / "config.json").exists():
        net.save_pretrained(folder)
    plain, int8 = work / f"{name}.onnx", work / f"{name}.int8.onnx"
    if not int8.exists():
        torch.onnx.export(States(net).eval(), (batch_of(name, 1),), plain, input_names=["x"], output_names=["states"],
                          dynamic_axes={"x": {0: "n"}}, dynamo=False, opset_version=17)
        quantize_dynamic(plain, int8, weight_type=QuantType.QInt8, per_channel=True)
    return net, folder, plain, int8


def our_tower(args, folder, kind, threads, x):
    inputs = args.folder / f"input.{kind}"
    inputs.write_bytes((x.numpy().astype(np.int32) if x.dtype == torch.int64 else x.numpy()).tobytes())
    return Ours(args.sterna, threads, "tower", folder, kind, len(x), x.shape[-1], inputs)


def in_onnxruntime(path, threads, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"x": x.numpy()}
    return Peer(lambda: session.run(None, feed)[0])


def in_openvino(path, threads, x, precision):
    import openvino
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(list(x.shape))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                                                 "INFERENCE_PRECISION_HINT": precision})
    request, feed = compiled.create_infer_request(), x.numpy()
    return Peer(lambda: request.infer([feed])[0])


def measure(args, name):
    net, folder, plain, int8 = make(args.folder, name)
    for threads in args.threads:
        for count in args.batches:
            x = batch_of(name, count)
            with torch.no_grad():
                truth = net(x).last_hidden_state.numpy().ravel()
            runs = {("bf16", "Sterna"): our_tower(args, folder, "bf16", threads, x)}
            if have("openvino"):
                runs["bf16", "OpenVINO"] = in_openvino(plain, threads, x, "bf16")
                runs["int8", "OpenVINO"] = in_openvino(int8, threads, x, "bf16")
            runs["int8", "Sterna"] = our_tower(args, folder, "i8", threads, x)
            runs["int8", "onnxruntime"] = in_onnxruntime(int8, threads, x)
            median = in_turns(runs, args.turns)
            for (kind, who), run in sorted(runs.items(), key=lambda at: at[0][0]):
                out = run.output(args.folder / "states")
                cosine = float(out @ truth / np.linalg.norm(out) / np.linalg.norm(truth))
                peers = [v for (k, w), v in median.items() if k == kind and w != "Sterna"]
                ratio = median[kind, who] / min(peers) if peers and who == "Sterna" else None
                tell(args, {"tower": name, "kind": kind, "runtime": who, "threads": threads, "batch": count,
                            "ms": 1e3 * median[kind, who], "of_fastest_peer": ratio, "cosine": cosine},
                     f"{name:7} {threads} thread{'s' if threads > 1 else ' '} batch {count}  {kind}  {who:12} "
                     f"{median[kind, who] * 1e3:9.2f} ms  {f'{ratio:.2f}' if ratio else '':5} {cosine:.5f}")
                run.close()
