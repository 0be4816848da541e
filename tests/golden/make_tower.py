#!/usr/bin/env python3
"""A tiny model of the default kind with random weights, and what PyTorch says it computes.

Writes tower/tiny.gguf (float; opened by Model::open like the shipped file) and tower/tiny.safetensors:
  picture u8 [37,50,3]   an image that see() must resize (Pillow's bicubic) to `pixels` u8 [S,S,3]
  low, head              the stem's maps;  features [T, F];  vision.<mode> [T,d];  meaning [T,dim]
  pixels_fine u8 [2S,2S,3], fine [T,dim]   the same picture seen closer, and what its places say then
  ids.<k> i32 [L], hidden.<k> [L,dim], text.<k> [dim]   for each of the questions (in the metadata)
  predicted.<mode> [k,dim], predicted_fine.<mode> [k,dim]
<mode> is float, or ternary: block linears as BitNet b1.58 with int8 activations.
The network here is written from the papers and shares no code with the training recipe.

pip install torch==2.* transformers tokenizers gguf safetensors pillow numpy
"""
import json
import math
from pathlib import Path

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save_file
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel

OUT = Path(__file__).parent / "tower"
STAGES = [[3, 1, 1, 8, 8, 1], [3, 2, 3, 8, 12, 2], [5, 2, 2, 12, 16, 1], [5, 2, 2, 16, 20, 2], [3, 2, 3, 20, 24, 2]]
SIZE, LOW_STAGE, HEAD, CLASSES, TOP = 64, 3, 40, 20, 3
DIM, LAYERS, TEXT_HEADS, TEXT_MLP = 32, 2, 4, 48
VISION = {"width": 24, "blocks": 1, "heads": 2, "mlp": 48}
PREDICTOR = {"width": 24, "blocks": 2, "heads": 4, "mlp": 40}
POINTER, GROUND_BLOCKS = 16, 1
WHOLE_PLACES = 0.5  # as tools/train/found.py: meanings()
DETAIL = 2
MEAN, STD = [120.0, 127.0, 130.0], [64.0, 128.0, 100.0]
WORDS = "what is in the picture ? animal this color of cup how many are there a cat dog red two ##s ##ing play".split()
QUESTIONS = ["what is in the picture?", "How many dogs are playing there?", "this Zebra?"]
ANSWERS = ["cat", "dog", "red", "two", "cup", "a cat", "two dogs", "animal", "picture", "red cup", "playing"]

rng = np.random.default_rng(20)
weights: dict[str, torch.Tensor] = {}


def tensor(name, *shape, sigma=None, mean=0.0):
    sigma = sigma if sigma is not None else 1.4 / math.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 16)
    weights[name] = torch.from_numpy((mean + sigma * rng.standard_normal(shape)).astype(np.float32))
    return weights[name]


def make_weights():
    def linear(name, m, k, bias=True):
        tensor(f"{name}.weight", m, k)
        if bias:
            tensor(f"{name}.bias", m, sigma=0.2)

    def blocks(scope, d, f, n):
        for i in range(n):
            b = f"{scope}.blocks.{i}"
            for norm, width in (("attn_norm", d), ("attn_out_norm", d), ("mlp_norm", d), ("mlp_mid_norm", f)):
                tensor(f"{b}.{norm}.weight", width, sigma=0.2, mean=1.0)
            for name, m, k in (("qkv", 3 * d, d), ("attn_out", d, d), ("mlp_up", f, d), ("mlp_down", d, f)):
                linear(f"{b}.{name}", m, k, bias=False)

    tensor("vision.stem.conv.weight", STAGES[0][3], 3, 3, 3)
    tensor("vision.stem.conv.bias", STAGES[0][3], sigma=0.2)
    n, width = 0, STAGES[0][3]
    for kernel, _, expand, _, out, repeats in STAGES:
        for _ in range(repeats):
            b, wide = f"vision.stem.blocks.{n}", width * expand
            if expand > 1:
                linear(f"{b}.expand", wide, width)
            tensor(f"{b}.depthwise.weight", wide, kernel, kernel)
            tensor(f"{b}.depthwise.bias", wide, sigma=0.2, mean=0.5)
            linear(f"{b}.project", out, wide)
            n, width = n + 1, out
    linear("vision.stem.head", HEAD, width)
    linear("vision.classifier", CLASSES, HEAD)
    weights["vision.class_embedding"] = F.normalize(tensor("vision.class_embedding", CLASSES, DIM), dim=1)
    d, places = VISION["width"], (SIZE // 32) ** 2
    features = DIM + 2 + 4 * STAGES[LOW_STAGE][4] + 4 * 33
    linear("vision.tokens", d, features)
    tensor("vision.position", 1 + places, d, sigma=0.3)
    blocks("vision", d, VISION["mlp"], VISION["blocks"])
    tensor("vision.norm.weight", d, sigma=0.2, mean=1.0)

    d = PREDICTOR["width"]
    tensor("predictor.answer", d, sigma=0.5)
    linear("predictor.question", d, DIM)
    linear("predictor.vision", d, VISION["width"])
    blocks("predictor", d, PREDICTOR["mlp"], PREDICTOR["blocks"])
    tensor("predictor.norm.weight", d, sigma=0.2, mean=1.0)
    linear("predictor.head", DIM, d)
    linear("predictor.pointer_query", POINTER, d, bias=False)
    linear("predictor.pointer_key", POINTER, d, bias=False)
    linear("predictor.gate", 1, d)
    linear("predictor.read", d, VISION["width"], bias=False)
    linear("predictor.read_gate", d, d)
    linear("predictor.match", d, 16, bias=False)
    linear("predictor.word_found", d, 10, bias=False)
    linear("predictor.place_found", d, 2, bias=False)
    linear("predictor.pointer_found", 2, d)
    linear("predictor.referents.role", 3, DIM, bias=False)
    tensor("predictor.referents.side", 3)
    linear("predictor.referents.direction", 2, DIM)
    linear("predictor.referents.held", d, 2, bias=False)
    linear("predictor.referents.look", 4, DIM + d)
    blocks("predictor.ground", VISION["width"], PREDICTOR["mlp"], GROUND_BLOCKS)
    tensor("predictor.ground.norm.weight", VISION["width"], sigma=0.2, mean=1.0)
    linear("predictor.ground.map", DIM, VISION["width"])


def same(x, w, bias, stride, groups=1):
    """Convolution with TensorFlow's SAME padding; x [c,h,w], w [out,in/groups,k,k]."""
    k = w.shape[-1]
    pads = []
    for size in (x.shape[2], x.shape[1]):
        total = max((math.ceil(size / stride) - 1) * stride + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x[None], pads), w, bias, stride, groups=groups)[0]


def stem(pixels):
    x = (torch.from_numpy(pixels.astype(np.float32)) - torch.tensor(MEAN)) / torch.tensor(STD)
    w = weights
    x = F.relu6(same(x.permute(2, 0, 1), w["vision.stem.conv.weight"].permute(0, 3, 1, 2), w["vision.stem.conv.bias"], 2))
    n, low = 0, None
    for s, (_, stride, expand, _, _, repeats) in enumerate(STAGES):
        for r in range(repeats):
            b, u = f"vision.stem.blocks.{n}", x
            if expand > 1:
                u = F.relu6(F.conv2d(u[None], w[f"{b}.expand.weight"][..., None, None], w[f"{b}.expand.bias"])[0])
            step = stride if r == 0 else 1
            u = F.relu6(same(u, w[f"{b}.depthwise.weight"][:, None], w[f"{b}.depthwise.bias"], step, groups=len(u)))
            u = F.conv2d(u[None], w[f"{b}.project.weight"][..., None, None], w[f"{b}.project.bias"])[0]
            x = x + u if step == 1 and u.shape == x.shape else u
            n += 1
        if s == LOW_STAGE:
            low = x
    head = F.relu6(F.conv2d(x[None], w["vision.stem.head.weight"][..., None, None], w["vision.stem.head.bias"])[0])
    return low.permute(1, 2, 0), head.permute(1, 2, 0)


def colours(cell):
    """33 numbers of one cell u8 [n,n,3], straight from the definition."""
    x = cell.reshape(-1, 3).astype(np.int64)
    bins = np.zeros(27)
    for r, g, b in x.tolist():
        mx, c = max(r, g, b), max(r, g, b) - min(r, g, b)
        if c < 24 or c * 100 < 15 * mx:
            bins[0 if mx < 64 else 1 if mx < 192 else 2] += 1
            continue
        if mx == r:
            hue = (2 * (g - b)) // c
        elif mx == g:
            hue = (4 * c + 2 * (b - r)) // c
        else:
            hue = (8 * c + 2 * (r - g)) // c
        bins[3 + 2 * (hue % 12) + (0 if mx < 128 else 1)] += 1
    return np.concatenate([x.mean(0) / 255, x.std(0) / 255, bins / len(x)])


def tower_features(pixels):
    low, head = stem(pixels)
    g = SIZE // 32
    places = torch.cat([head.reshape(-1, HEAD).mean(0, keepdim=True), head.reshape(-1, HEAD)])
    p = (places @ weights["vision.classifier.weight"].T + weights["vision.classifier.bias"]).softmax(-1)
    top = p.topk(TOP)
    mixed = (top.values / top.values.sum(-1, keepdim=True))[..., None] * weights["vision.class_embedding"][top.indices]
    meaning = F.normalize(mixed.sum(1), dim=-1)
    confidence = torch.stack([top.values[:, 0], top.values.sum(-1)], -1)
    rest = []
    for y in range(g):
        for x in range(g):
            cells = low[2 * y:2 * y + 2, 2 * x:2 * x + 2].reshape(-1)
            tint = [colours(pixels[32 * y + 16 * dy:, 32 * x + 16 * dx:][:16, :16]) for dy in (0, 1) for dx in (0, 1)]
            rest.append(torch.cat([cells, torch.from_numpy(np.concatenate(tint)).float()]))
    rest = torch.stack(rest)
    rest = torch.cat([rest.mean(0, keepdim=True), rest])
    features = torch.cat([meaning, confidence, rest], -1)
    whole = meaning[0] + WHOLE_PLACES * (confidence[1:, :1] * meaning[1:]).sum(0) / confidence[1:, 0].sum()
    return low, head, features, torch.cat([F.normalize(whole, dim=0)[None], meaning[1:]])


def look_closer(pixels, meaning):
    """What the places say of the picture of DETAIL times the size: the mean probabilities of their parts, mixed."""
    _, head = stem(pixels)
    p = (head @ weights["vision.classifier.weight"].T + weights["vision.classifier.bias"]).softmax(-1)
    g = SIZE // 32
    rows = [meaning[0]]
    for y in range(g):
        for x in range(g):
            top = p[DETAIL * y:DETAIL * (y + 1), DETAIL * x:DETAIL * (x + 1)].mean((0, 1)).topk(TOP)
            rows.append(F.normalize(top.values @ weights["vision.class_embedding"][top.indices], dim=0))
    return torch.stack(rows)


def rms(x, gain):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * gain


def ternary(x, w):
    s = w.abs().mean(1, keepdim=True).half().float()
    q = (w / s).round().clamp(-1, 1)
    top = x.abs().amax(-1, keepdim=True).clamp(min=1e-12)
    a = (x * (127 / top)).round().clamp(-127, 127)
    return (a.double() @ q.double().T).float() * (top / 127) * s.T


def run_blocks(scope, x, heads, n, mode):
    line = ternary if mode == "ternary" else (lambda x, w: x @ w.T)
    for i in range(n):
        w = {k[len(f"{scope}.blocks.{i}."):]: v for k, v in weights.items() if k.startswith(f"{scope}.blocks.{i}.")}
        t, d = x.shape
        q, k, v = line(rms(x, w["attn_norm.weight"]), w["qkv.weight"]).split(d, -1)
        split = lambda y: y.reshape(t, heads, d // heads).transpose(0, 1)
        scores = split(q) @ split(k).transpose(1, 2) / math.sqrt(d // heads)
        o = (scores.softmax(-1) @ split(v)).transpose(0, 1).reshape(t, d)
        x = x + line(rms(o, w["attn_out_norm.weight"]), w["attn_out.weight"])
        u = line(rms(x, w["mlp_norm.weight"]), w["mlp_up.weight"]).relu().square()
        x = x + line(rms(u, w["mlp_mid_norm.weight"]), w["mlp_down.weight"])
    return x


def vision_tokens(features, mode):
    x = features @ weights["vision.tokens.weight"].T + weights["vision.tokens.bias"] + weights["vision.position"]
    return rms(run_blocks("vision", x, VISION["heads"], VISION["blocks"], mode), weights["vision.norm.weight"])


def layout(score):
    """Where and in how many parts the places [g*g] lie: predictor/layout.h, place by place."""
    places = score.tolist()
    g = math.isqrt(len(places))
    total, most = sum(math.exp(s) for s in places), max(places)
    x = y = xx = yy = entropy = 0.0
    peaks = [0.0, 0.0, 0.0]
    for i, s in enumerate(places):
        row, column = divmod(i, g)
        beta = math.exp(s) / total
        across, down = (column + 0.5) / g - 0.5, (row + 0.5) / g - 0.5
        x, xx, y, yy = x + beta * across, xx + beta * across ** 2, y + beta * down, yy + beta * down ** 2
        entropy -= beta * math.log(beta)
        about = max(places[r * g + c] for r in range(max(row - 1, 0), min(row + 2, g)) for c in range(max(column - 1, 0), min(column + 2, g)))
        top, relative = math.exp(4 * (s - about)), math.exp(s - most)
        for k, weight in enumerate((1 / (1 + math.exp(-s)), relative, min(1.0, 2 * relative))):
            peaks[k] += top * weight
    return torch.tensor([5 * x, 5 * y, 4 * math.sqrt(xx - x * x), 4 * math.sqrt(yy - y * y), entropy / math.log(g * g), *peaks])


def grounded(hidden, meaning):
    """What places and words are told of each other: predictor/grounded.h, word by word."""
    places, words = torch.full((len(meaning), 2), -math.inf), []
    for k, h in enumerate([*hidden, hidden.sum(0)]):
        cosine = torch.stack([F.cosine_similarity(h, m, dim=0) for m in meaning])
        mean = cosine[1:].mean()
        if k == len(hidden):
            places[:, 0] = 5 * (cosine - mean)
            break
        places[:, 1] = torch.maximum(places[:, 1], 5 * (cosine - mean))
        words.append(torch.cat([layout(30 * (cosine[1:] - mean)), torch.stack([5 * (cosine[1:] - mean).max(), 5 * mean])]))
    return places, torch.stack(words)


def ground(vision, meaning, mode):
    """What lies at the places: predictor/pointer_predictor.h."""
    x = run_blocks("predictor.ground", vision, PREDICTOR["heads"], GROUND_BLOCKS, mode)
    x = rms(x, weights["predictor.ground.norm.weight"]) @ weights["predictor.ground.map.weight"].T + weights["predictor.ground.map.bias"]
    return torch.cat([meaning[:1], F.normalize(meaning[1:] + x[1:], dim=1)])


def referents(hidden, word, z0, w):
    """The things that a question names: predictor/referents.h, word by word. `more`, what each place gains, and the share that is read."""
    w = {k[len("referents."):]: v for k, v in w.items() if k.startswith("referents.")}
    line = lambda name, x: w[f"{name}.weight"] @ x + w[f"{name}.bias"]
    score = hidden @ w["role.weight"].T
    relation = score[:, 2].softmax(0)
    at = sum(float(r) * j for j, r in enumerate(relation))
    behind = torch.tensor([math.tanh(j - at) for j in range(len(hidden))])
    first, second = ((score[:, k] + w["side"][k] * behind).softmax(0) @ word for k in (0, 1))
    r = relation @ hidden
    u, said = line("direction", r), torch.sigmoid(score[:, 2].max() + w["side"][2])
    along = u @ (first[:2] - second[:2])
    look, g, gains = line("look", torch.cat([r, z0])), SIZE // 32, []
    more = said * look[3].sigmoid() * (w["held.weight"] @ torch.stack([along, along.tanh()]))
    for row in range(g):
        for column in range(g):
            apart = torch.tensor([5 * ((column + 0.5) / g - 0.5), 5 * ((row + 0.5) / g - 0.5)]) - second[:2]
            gains.append(look[0] * (u @ apart).tanh() + look[1] * (-apart @ apart).exp())
    return more, said * torch.stack(gains), said * look[2].sigmoid()


def predict(hidden, vision, meaning, mode, fine=None):
    w = {k[len("predictor."):]: v for k, v in weights.items() if k.startswith("predictor.")}
    there = ground(vision, meaning if fine is None else fine, mode)
    place, word = grounded(hidden, there)
    z = torch.cat([w["answer"][None], hidden @ w["question.weight"].T + w["question.bias"] + word @ w["word_found.weight"].T,
                   vision @ w["vision.weight"].T + w["vision.bias"] + place @ w["place_found.weight"].T])
    z = rms(run_blocks("predictor", z, PREDICTOR["heads"], PREDICTOR["blocks"], mode), w["norm.weight"])
    z0, places = z[0], z[1 + len(hidden):]
    score = places @ w["pointer_key.weight"].T @ (w["pointer_query.weight"] @ z0) / math.sqrt(POINTER)
    score = score + place @ (w["pointer_found.weight"] @ z0 + w["pointer_found.bias"])
    more, gains, share = referents(hidden, word, z0, w)
    score = torch.cat([score[:1], score[1:] + gains])
    alpha = score.softmax(0)
    gate = torch.sigmoid(w["gate.weight"] @ z0 + w["gate.bias"])
    asked = F.normalize(hidden.sum(0), dim=0)
    cosine = 5 * meaning @ asked
    matches = torch.stack([score.max(), score.mean(), score.exp().mean().log(), score.sigmoid().mean(),
                           cosine.max(), cosine.mean(), 5 * (alpha @ meaning) @ asked, cosine[0]])
    matches = torch.cat([matches, layout(score[1:])])
    gate_in = torch.sigmoid(w["read_gate.weight"] @ z0 + w["read_gate.bias"])
    found = gate_in * (w["read.weight"] @ (alpha @ vision) + w["match.weight"] @ matches)
    return F.normalize(w["head.weight"] @ (z0 + found + more) + w["head.bias"] + gate * (alpha @ meaning) + share * (alpha @ there), dim=0)


def text_tower():
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + WORDS
    OUT.mkdir(exist_ok=True)
    tokenizer = BertWordPieceTokenizer({word: i for i, word in enumerate(vocabulary)}, lowercase=True)
    torch.manual_seed(3)
    net = BertModel(BertConfig(vocab_size=len(vocabulary), hidden_size=DIM, num_hidden_layers=LAYERS,
                               num_attention_heads=TEXT_HEADS, intermediate_size=TEXT_MLP, max_position_embeddings=24,
                               layer_norm_eps=1e-12), add_pooling_layer=False).eval()
    for p in net.parameters():
        torch.nn.init.normal_(p, 1.0 if p.dim() == 1 and p.shape == (DIM,) else 0.0, 0.25)
    state = net.state_dict()
    weights["language.token_embedding"] = state["embeddings.word_embeddings.weight"]
    weights["language.position"] = state["embeddings.position_embeddings.weight"]
    weights["language.type"] = state["embeddings.token_type_embeddings.weight"][0]
    for part in ("weight", "bias"):
        weights[f"language.embedding_norm.{part}"] = state[f"embeddings.LayerNorm.{part}"]
        for n in range(LAYERS):
            layer, out = f"encoder.layer.{n}", f"language.blocks.{n}"
            weights[f"{out}.qkv.{part}"] = torch.cat([state[f"{layer}.attention.self.{x}.{part}"]
                                                      for x in ("query", "key", "value")])
            weights[f"{out}.attn_out.{part}"] = state[f"{layer}.attention.output.dense.{part}"]
            weights[f"{out}.attn_norm.{part}"] = state[f"{layer}.attention.output.LayerNorm.{part}"]
            weights[f"{out}.mlp_up.{part}"] = state[f"{layer}.intermediate.dense.{part}"]
            weights[f"{out}.mlp_down.{part}"] = state[f"{layer}.output.dense.{part}"]
            weights[f"{out}.mlp_norm.{part}"] = state[f"{layer}.output.LayerNorm.{part}"]

    def encode(text):
        ids = tokenizer.encode(text).ids
        hidden = net(torch.tensor([ids])).last_hidden_state[0]
        return ids, hidden, F.normalize(hidden.mean(0), dim=0)

    return vocabulary, encode


def write_gguf(vocabulary):
    w = gguf.GGUFWriter(str(OUT / "tiny.gguf"), "sterna")
    w.add_string("general.name", "tiny")
    w.add_string("general.license", "Apache-2.0")
    w.add_uint32("sterna.version", 1)
    v = "sterna.vision"
    w.add_string(f"{v}.kind", "efficientnet_lite_hybrid")
    w.add_string(f"{v}.resize", "bicubic")
    w.add_string(f"{v}.fit", "stretch")
    w.add_array(f"{v}.mean", MEAN)
    w.add_array(f"{v}.std", STD)
    w.add_array(f"{v}.stem.stages", [x for row in STAGES for x in row])
    for key, value in ({"image_size": SIZE, "detail": DETAIL, "stem.width": STAGES[0][3], "head_width": HEAD, "low_stage": LOW_STAGE,
                        "classes": CLASSES, "top_classes": TOP} | VISION).items():
        w.add_uint32(f"{v}.{key}", value)
    w.add_float32(f"{v}.whole_places", WHOLE_PLACES)
    w.add_string("sterna.language.kind", "bert")
    for key, value in {"layers": LAYERS, "width": DIM, "heads": TEXT_HEADS, "mlp": TEXT_MLP, "max_tokens": 16}.items():
        w.add_uint32(f"sterna.language.{key}", value)
    w.add_float32("sterna.language.eps", 1e-12)
    w.add_string("sterna.tokenizer.kind", "wordpiece")
    w.add_array("sterna.tokenizer.vocab", vocabulary)
    w.add_bool("sterna.tokenizer.lowercase", True)
    for key, value in {"cls_id": 2, "sep_id": 3, "pad_id": 0, "unk_id": 1, "max_word_chars": 100}.items():
        w.add_uint32(f"sterna.tokenizer.{key}", value)
    w.add_string("sterna.predictor.kind", "ternary_grounded_pointer")
    for key, value in (PREDICTOR | {"pointer_width": POINTER, "ground_blocks": GROUND_BLOCKS}).items():
        w.add_uint32(f"sterna.predictor.{key}", value)
    w.add_bool("sterna.predictor.referents", True)
    w.add_string("sterna.embed.prompt", QUESTIONS[0])
    w.add_array("sterna.decoder.answers", ANSWERS)
    for key, value in {"choice_scale": 8.0, "vocabulary_scale": 6.0, "sure_threshold": 0.4}.items():
        w.add_float32(f"sterna.decoder.{key}", value)
    for name, value in weights.items():
        w.add_tensor(name, np.ascontiguousarray(value.detach().numpy(), dtype=np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


@torch.no_grad()
def main():
    make_weights()
    vocabulary, encode = text_tower()
    weights["decoder.answers"] = torch.stack([encode(a)[2] for a in ANSWERS])

    y, x = np.mgrid[:37, :50]
    picture = np.stack([127 + 120 * np.sin(x / 7 + y / 11), 5 * x, 255 - 6 * y], -1) + rng.normal(0, 20, (37, 50, 3))
    picture = picture.clip(0, 255).astype(np.uint8)
    pixels = np.asarray(Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    low, head, features, meaning = tower_features(pixels)
    pixels_fine = np.asarray(Image.fromarray(picture).resize((DETAIL * SIZE, DETAIL * SIZE), Image.Resampling.BICUBIC))
    fine = look_closer(pixels_fine, meaning)
    out = {"picture": picture, "pixels": pixels, "low": low.reshape(-1, low.shape[-1]), "head": head.reshape(-1, HEAD),
           "features": features, "meaning": meaning, "pixels_fine": pixels_fine, "fine": fine}
    hidden = []
    for k, question in enumerate(QUESTIONS):
        ids, h, text = encode(question)
        hidden.append(h)
        out |= {f"ids.{k}": np.array(ids, np.int32), f"hidden.{k}": h, f"text.{k}": text}
    for mode in ("float", "ternary"):
        vision = vision_tokens(features, mode)
        out[f"vision.{mode}"] = vision
        out[f"predicted.{mode}"] = torch.stack([predict(h, vision, meaning, mode) for h in hidden])
        out[f"predicted_fine.{mode}"] = torch.stack([predict(h, vision, meaning, mode, fine) for h in hidden])
    write_gguf(vocabulary)
    save_file({k: np.ascontiguousarray(v.numpy() if torch.is_tensor(v) else v) for k, v in out.items()},
              OUT / "tiny.safetensors", metadata={"questions": json.dumps(QUESTIONS)})


main()
