#!/usr/bin/env python3
"""Compares `sterna model check` with transformers on random configurations of every family of checkpoints: sizes, head
dimensions, biases, activations, windows, odd resolutions, batches and padding are drawn, weights are those of the goldens
(tiny_checkpoint.perturb). Prints a line a family, and each output that is beyond what agreement.py asks: cosines of at
least 0.99999 in float32 (with an error of at most 1e-4 of the largest expected value), 0.9995 in bf16, 0.998 in int8.

    pip install torch==2.15.* transformers==5.23.0 safetensors==0.8.0 sentence-transformers==6.2.0
    tests/models/sweep.py build/release/bin/sterna [FAMILY...] [--count N] [--seed S] [--isa NAME]
    tests/models/sweep.py build/release/bin/sterna FAMILY --seed S --number I --keep DIR     # one of them, to look at
"""
import argparse
import contextlib
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

import torch
import transformers as t
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "golden"))
from agreement import LEAST
from open_vljepa import OpenVljepa
from tiny_checkpoint import ids, perturb

MOST_ERROR = 1e-4
HEADS = [8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 96, 128]
ODD_HEADS = HEADS + [5, 7, 9, 11, 15, 21, 33]
PATCHES = [2, 3, 4, 5, 7, 8, 14, 16]
ACTIVATIONS = ["gelu", "gelu_pytorch_tanh", "quick_gelu", "silu", "relu"]


class Draw(random.Random):
    """What one configuration draws."""

    def maybe(self):
        return self.random() < 0.5

    def heads(self, dims):
        """Columns of a head, and how many heads make a width of 16 to 256 or so."""
        head = self.choice(dims)
        return head, self.randint(-(-16 // head), max(-(-16 // head), min(6, 256 // head)))

    def sizes(self, dims=ODD_HEADS):
        """Sizes under the names that most families give them."""
        head, heads = self.heads(dims)
        return {"hidden_size": head * heads, "num_attention_heads": heads, "num_hidden_layers": self.randint(1, 4),
                "intermediate_size": self.randint(head * heads // 2, head * heads * 3) | 1}

    def decoder(self, dims=HEADS):
        """The same of a decoder, whose heads have a width of their own, and whose keys and values fewer heads."""
        head, heads = self.heads(dims)
        kv = self.choice([n for n in range(1, heads + 1) if heads % n == 0])
        return self.sizes() | {"hidden_size": heads * self.randint(-(-16 // heads), max(16, 256 // heads)), "head_dim": head,
                               "num_attention_heads": heads, "num_key_value_heads": kv}

    def layers(self, layers):
        return [self.choice(["sliding_attention", "full_attention"]) for _ in range(layers)]

    def rope(self, theta, *kinds):
        """Rotary positions of one of `kinds`."""
        kind = self.choice(kinds)
        return {"rope_type": kind, "rope_theta": self.choice([theta, 500.0, 3e5])} | {
            "default": {}, "linear": {"factor": self.choice([2.0, 8.0])},
            "llama3": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64},
        }[kind]

    def length(self):
        return self.choice([1, 2, self.randint(3, 16), self.randint(17, 40), self.randint(41, 150)])

    def padding(self, rows, length):
        """Texts padded on the right, on the left, in the middle, or not."""
        mask = torch.ones(rows, length, dtype=torch.int64)
        for row in mask:
            hidden = self.randint(0, length - 1)
            start = self.choice([0, length - hidden, self.randint(0, length - hidden)])
            if self.random() < 0.75:
                row[start:start + hidden] = 0
        return mask

    def texts(self, words, length=None):
        length = length or self.length()
        rows = self.randint(1, 5)
        text = {"input_ids": ids(rows, length, words)}
        return text | ({"attention_mask": self.padding(rows, length)} if self.random() < 0.8 else {})

    def picture(self):
        """The patch and the pictures' side of the table of positions, which need not be whole patches."""
        patch = self.choice(PATCHES)
        return {"patch_size": patch, "image_size": patch * self.randint(1, 9) + self.randrange(patch) * self.maybe()}

    def pixels(self, config):
        """Pictures of the side that positions were made for, or of another one and shape."""
        p, side = config.patch_size, config.image_size
        most = p * self.choice([5, 14])
        height, width = (side, side) if self.random() < 0.25 else (self.randint(p, most), self.randint(p, most))
        return torch.randn(self.randint(1, 4), 3, height, width)

    def net(self, model, config, **rest):
        """The model, its parameters exact in one of the types that files hold."""
        net = perturb(model(config, **rest))
        net.stored = self.choice([torch.float32, torch.float16, torch.bfloat16])
        for p in net.parameters():
            p.data = p.data.to(net.stored).float()
        return net

    def run(self, net, inputs, **options):
        """A golden of one tower: the last states, some of another depth, and what is pooled of them."""
        out = net(**inputs, **options, output_hidden_states=True)
        depth = self.randrange(len(out.hidden_states) - 1)  # of the last, some families give what the norm makes
        golden = inputs | {"last_hidden_state": out.last_hidden_state, f"hidden_states.{depth}": out.hidden_states[depth]}
        pooled = getattr(out, "pooler_output", None)
        return net, golden | ({} if pooled is None else {"pooled": pooled})


def bert(r):
    words = r.randint(20, 400)
    text = r.texts(words)
    config = t.BertConfig(vocab_size=words, max_position_embeddings=text["input_ids"].shape[1] + r.randint(0, 9),
                          type_vocab_size=r.randint(1, 3), hidden_act=r.choice(ACTIVATIONS),
                          layer_norm_eps=r.choice([1e-12, 1e-5]), **r.sizes())
    return r.run(r.net(t.BertModel, config, add_pooling_layer=r.maybe()), text)


def roberta(r):
    words, pad = r.randint(20, 400), r.randint(0, 7)  # a padding's id may stand among what counts
    text = r.texts(words)
    if "attention_mask" in text and r.maybe():
        text["input_ids"][text["attention_mask"] == 0] = pad
    model, config = r.choice([(t.RobertaModel, t.RobertaConfig), (t.XLMRobertaModel, t.XLMRobertaConfig)])
    config = config(vocab_size=words, pad_token_id=pad, hidden_act=r.choice(ACTIVATIONS), type_vocab_size=r.randint(1, 2),
                    max_position_embeddings=pad + 1 + text["input_ids"].shape[1] + r.randint(0, 9), **r.sizes())
    return r.run(r.net(model, config, add_pooling_layer=r.maybe()), text)


def modernbert(r):
    words, sizes = r.randint(20, 400), r.sizes(HEADS)
    config = t.ModernBertConfig(
        vocab_size=words, pad_token_id=0, local_attention=r.randint(2, 24), layer_types=r.layers(sizes["num_hidden_layers"]),
        attention_bias=r.maybe(), mlp_bias=r.maybe(), norm_bias=r.maybe(), hidden_activation=r.choice(ACTIVATIONS),
        rope_parameters={"full_attention": r.rope(1.6e5, "default"), "sliding_attention": r.rope(1e4, "default")}, **sizes)
    return r.run(r.net(t.ModernBertModel, config), r.texts(words))


def last_seen(net, golden):
    """A decoder, pooled as text embedders do: the last token that is no padding."""
    states = golden["last_hidden_state"]
    mask = golden.get("attention_mask", torch.ones(states.shape[:2], dtype=torch.int64))
    last = (mask * torch.arange(mask.shape[1])).argmax(1)
    return net, golden | {"pooled": states[torch.arange(len(states)), last]}


def llama(r):
    words = r.randint(20, 400)
    config = t.LlamaConfig(vocab_size=words, attention_bias=r.maybe(), mlp_bias=r.maybe(), rms_norm_eps=r.choice([1e-6, 1e-5]),
                           rope_parameters=r.rope(1e4, "default", "linear", "llama3"), **r.decoder())
    return last_seen(*r.run(r.net(t.LlamaModel, config), r.texts(words)))


def qwen3(r):
    words = r.randint(20, 400)
    config = t.Qwen3Config(vocab_size=words, attention_bias=r.maybe(), rope_parameters=r.rope(1e6, "default", "linear"),
                           **r.decoder())
    return last_seen(*r.run(r.net(t.Qwen3Model, config), r.texts(words)))


def gemma3_config(r, words, both_ways):
    sizes = r.decoder()
    return t.Gemma3TextConfig(
        vocab_size=words, sliding_window=r.randint(1 + both_ways, 24), use_bidirectional_attention=both_ways,
        query_pre_attn_scalar=r.choice([sizes["head_dim"], r.randint(8, 200)]),
        layer_types=r.layers(sizes["num_hidden_layers"]), rope_parameters={
            "full_attention": r.rope(1e6, "default", "linear"), "sliding_attention": r.rope(1e4, "default")}, **sizes)


def gemma3_text(r):
    words = r.randint(20, 400)
    return r.run(r.net(t.Gemma3TextModel, gemma3_config(r, words, r.maybe())), r.texts(words))


def vit(r):
    config = t.ViTConfig(qkv_bias=r.maybe(), hidden_act=r.choice(ACTIVATIONS), layer_norm_eps=r.choice([1e-12, 1e-5]),
                         pooler_output_size=r.choice([None, r.randint(8, 99)]), **r.picture(), **r.sizes())
    net = r.net(t.ViTModel, config, add_pooling_layer=r.maybe())
    return r.run(net, {"pixel_values": r.pixels(config)}, interpolate_pos_encoding=True)


def deit(r):
    config = t.DeiTConfig(qkv_bias=r.maybe(), hidden_act=r.choice(ACTIVATIONS), **r.picture(), **r.sizes())
    net = r.net(t.DeiTModel, config, add_pooling_layer=r.maybe())
    return r.run(net, {"pixel_values": r.pixels(config)}, interpolate_pos_encoding=True)


def ijepa(r):
    config = t.IJepaConfig(qkv_bias=r.maybe(), hidden_act=r.choice(ACTIVATIONS), **r.picture(), **r.sizes())
    net = r.net(t.IJepaModel, config, add_pooling_layer=False)
    return r.run(net, {"pixel_values": r.pixels(config)}, interpolate_pos_encoding=True)


def ratio_sizes(r, dims, ratio):
    """Sizes of a family that has mlp_ratio."""
    sizes = r.sizes(dims) | {"mlp_ratio": ratio}
    del sizes["intermediate_size"]
    return sizes


def dinov2(r, model=t.Dinov2Model, config=t.Dinov2Config, **more):
    config = config(qkv_bias=r.maybe(), use_swiglu_ffn=r.maybe(), hidden_act=r.choice(ACTIVATIONS), **r.picture(),
                    **ratio_sizes(r, ODD_HEADS, r.randint(1, 4)), **more)
    return r.run(r.net(model, config), {"pixel_values": r.pixels(config)})


def dinov2_with_registers(r):
    return dinov2(r, t.Dinov2WithRegistersModel, t.Dinov2WithRegistersConfig, num_register_tokens=r.randint(0, 5))


def dinov3_vit(r):
    biases = {f"{part}_bias": r.maybe() for part in ("query", "key", "value", "proj", "mlp")}
    config = t.DINOv3ViTConfig(num_register_tokens=r.randint(0, 5), use_gated_mlp=r.maybe(), hidden_act=r.choice(ACTIVATIONS),
                               rope_theta=r.choice([100.0, 10.0]), **r.picture(), **biases,
                               **r.sizes([n for n in HEADS if n % 4 == 0]))
    return r.run(r.net(t.DINOv3ViTModel, config), {"pixel_values": r.pixels(config)})


def end_of(r, text, end, words):
    """CLIP pools the token of the end, or where configs say 2, that of the highest id."""
    for row, seen in zip(text["input_ids"], text.get("attention_mask", torch.ones_like(text["input_ids"]))):
        place = r.choice(seen.nonzero()[:, 0].tolist())
        row[place] = words - 1
        if end != 2 and r.maybe():
            row[place:] = words - 1  # the first of them
    return text


def clip(r):
    words, dim = r.randint(20, 400), r.randint(8, 99)
    end = r.choice([2, words - 1])
    text = end_of(r, r.texts(words), end, words)
    act = r.choice(ACTIVATIONS)
    reads = {"vocab_size": words, "eos_token_id": end, "hidden_act": act, "projection_dim": dim,
             "max_position_embeddings": text["input_ids"].shape[1] + r.randint(0, 9)} | r.sizes()
    sees = {"hidden_act": act, "projection_dim": dim} | r.picture() | r.sizes()
    kind = r.choice(["both", "both", "vision", "vision projection", "text", "text projection"])
    pixels = {"pixel_values": r.pixels(t.CLIPVisionConfig(**sees))}
    wide = {"interpolate_pos_encoding": True}
    if kind == "both":
        return dual(r, t.CLIPModel, t.CLIPConfig(text_config=reads, vision_config=sees, projection_dim=dim), text, pixels, **wide)
    if kind == "vision":
        return r.run(r.net(t.CLIPVisionModel, t.CLIPVisionConfig(**sees)), pixels, **wide)
    if kind == "text":
        return r.run(r.net(t.CLIPTextModel, t.CLIPTextConfig(**reads)), text)
    if kind == "text projection":
        net = r.net(t.CLIPTextModelWithProjection, t.CLIPTextConfig(**reads))
        return net, text | {"text_embeds": net(**text).text_embeds}
    net = r.net(t.CLIPVisionModelWithProjection, t.CLIPVisionConfig(**sees))
    return net, pixels | {"image_embeds": net(**pixels, **wide).image_embeds}


def dual(r, model, config, text, pixels, **options):
    net = r.net(model, config)
    out = net(**text, **pixels, **options)
    return net, text | pixels | {"image_embeds": out.image_embeds, "text_embeds": out.text_embeds}


def siglip_text(r, width):
    """Sizes and inputs of SigLIP's text tower, which pools the last token, of padding or not."""
    words = r.randint(20, 400)
    text = r.texts(words)
    return {"vocab_size": words, "max_position_embeddings": text["input_ids"].shape[1] + r.randint(0, 9),
            "projection_size": width, "hidden_act": r.choice(ACTIVATIONS)} | r.sizes(), text


def siglip(r):
    sees = {"hidden_act": r.choice(ACTIVATIONS)} | r.picture() | r.sizes()
    reads, text = siglip_text(r, sees["hidden_size"])
    pixels = {"pixel_values": r.pixels(t.SiglipVisionConfig(**sees))}
    kind = r.choice(["both", "vision", "text"])
    if kind == "both":
        config = t.SiglipConfig(text_config=reads, vision_config=sees)
        return dual(r, t.SiglipModel, config, text, pixels, interpolate_pos_encoding=True)
    if kind == "text":
        return r.run(r.net(t.SiglipTextModel, t.SiglipTextConfig(**reads)), text)
    net = r.net(t.SiglipVisionModel, t.SiglipVisionConfig(vision_use_head=r.maybe(), **sees))
    return r.run(net, pixels, interpolate_pos_encoding=True)


def siglip2(r):
    """NaFlex: pictures of shapes of their own, in patches that are padded to one length. None has one column: PyTorch's
    interpolation with antialiasing, to that on the CPU, gives every row the same (unless memory is channels_last)."""
    patch, rows = r.choice(PATCHES), r.randint(1, 4)
    sees = {"hidden_act": r.choice(ACTIVATIONS), "patch_size": patch, "num_patches": r.randint(1, 7) ** 2} | r.sizes()
    reads, text = siglip_text(r, sees["hidden_size"])
    shapes = torch.tensor([[r.randint(1, 12), r.randint(2, 12)] for _ in range(rows)])
    length = int(shapes.prod(1).max()) + r.choice([0, r.randint(1, 9)])
    pixels = {"pixel_values": torch.randn(rows, length, 3 * patch * patch), "spatial_shapes": shapes,
              "pixel_attention_mask": (torch.arange(length)[None] < shapes.prod(1)[:, None]).long()}
    kind = r.choice(["both", "vision", "text"])
    if kind == "both":
        return dual(r, t.Siglip2Model, t.Siglip2Config(text_config=reads, vision_config=sees), text, pixels)
    if kind == "text":
        return r.run(r.net(t.Siglip2TextModel, t.Siglip2TextConfig(**reads)), text)
    return r.run(r.net(t.Siglip2VisionModel, t.Siglip2VisionConfig(vision_use_head=r.maybe(), **sees)), pixels)


def vjepa2_config(r, predictor_layers):
    patch, tubelet = r.choice(PATCHES[:6]), r.randint(1, 3)
    dims = [n for n in ODD_HEADS if n >= 6]  # transformers wants two columns of each axis
    head, heads = r.heads(dims)
    return t.VJEPA2Config(
        patch_size=patch, crop_size=patch * r.randint(1, 4) + r.randrange(patch), tubelet_size=tubelet,
        frames_per_clip=tubelet * r.randint(1, 4), qkv_bias=r.maybe(), hidden_act=r.choice(ACTIVATIONS),
        pred_hidden_size=head * heads, pred_num_attention_heads=heads, pred_num_hidden_layers=predictor_layers,
        pred_num_mask_tokens=r.randint(1, 3), pred_mlp_ratio=r.uniform(0.5, 4),
        **ratio_sizes(r, dims, r.uniform(0.5, 4)))


def clips(r, config, most=9):
    """Clips of whole tubelets or not, of the side that the grid is of or of another one."""
    p = config.patch_size
    height, width = r.choice([(config.crop_size, config.crop_size), (r.randint(p, 5 * p), r.randint(p, 5 * p))])
    return torch.randn(r.randint(1, 3), r.randint(1, most), 3, height, width)


def vjepa2(r):
    config = vjepa2_config(r, 1)
    pixels = clips(r, config)
    inputs = {"pixel_values_videos": pixels}
    if r.random() < 0.2:  # a picture is a clip of one frame
        pixels = pixels[:, :1]
        inputs = {"pixel_values": pixels[:, 0].contiguous()}
    net = r.net(t.VJEPA2Model, config)
    _, golden = r.run(net, {"pixel_values_videos": pixels}, skip_predictor=True)
    return net, inputs | {k: v for k, v in golden.items() if k not in inputs and k != "pixel_values_videos"}


def vjepa2_predictor(r):
    config = vjepa2_config(r, r.randint(1, 3))
    net, inputs = r.net(t.VJEPA2Model, config), {"pixel_values_videos": clips(r, config, 6)}
    n = net(**inputs, skip_predictor=True).last_hidden_state.shape[1]
    golden, masks = {}, {}
    if r.random() < 0.75:  # lists in no order, with patches in both; else all from all
        lists = {name: torch.stack([torch.tensor(r.sample(range(n), length)) for _ in inputs["pixel_values_videos"]])
                 for name, length in (("context_mask", r.randint(1, n)), ("target_mask", r.randint(1, n)))}
        golden, masks = lists, {name: [places] for name, places in lists.items()}
    out = net(**inputs, **masks)
    return net, inputs | golden | {"predictor_output": out.predictor_output.last_hidden_state}


def open_vljepa(r):
    words, x = r.randint(20, 400), vjepa2_config(r, 0)
    y = gemma3_config(r, words, True)
    llama = t.LlamaConfig(vocab_size=words, attention_bias=r.maybe(), mlp_bias=r.maybe(),
                          rope_parameters=r.rope(1e4, "default", "linear", "llama3"), **r.decoder())
    llama._attn_implementation = "eager"
    net = r.net(lambda c: OpenVljepa(x, c, y, keep=r.randint(1, c.num_hidden_layers), dim=r.randint(8, 99)), llama)
    golden = {"pixels": clips(r, x, 6)}
    for name, rows in (("query", len(golden["pixels"])), ("target", r.randint(1, 5))):
        length = r.length()
        golden |= {f"{name}_ids": ids(rows, length, words), f"{name}_mask": r.padding(rows, length).float()}
    return net, net.run(golden)


FAMILIES = {f.__name__: f for f in (
    bert, roberta, modernbert, llama, qwen3, gemma3_text, vit, deit, ijepa, dinov2, dinov2_with_registers, dinov3_vit, clip,
    siglip, siglip2, vjepa2, vjepa2_predictor, open_vljepa)}


@torch.no_grad()
def make(family, seed, number, folder):
    """Configuration `number` of a family in `folder`, the golden beside its weights."""
    torch.manual_seed(random.Random(f"{seed} {family} {number}").getrandbits(63))
    net, golden = FAMILIES[family](Draw(f"{seed} {family} {number}"))
    if isinstance(net, t.PreTrainedModel):
        net.to(net.stored)
    net.save_pretrained(folder)
    save_file({k: v.detach().clone().contiguous() for k, v in golden.items()}, folder / "golden.safetensors")


def check(args, folder, weights):
    """What `model check` finds of each output, or the line in which it says why not."""
    command = [args.sterna, "model", "check", folder, "--golden", folder / "golden.safetensors", "--weights", weights,
               "--min-cosine", "-1", "--json", *(["--isa", args.isa] if args.isa else [])]
    p = subprocess.run(command, capture_output=True, text=True)
    if p.returncode != 0:
        return p.stderr.strip() or f"exit code {p.returncode}"
    lines = map(json.loads, p.stdout.splitlines())  # null is what is no number
    return {x["output"]: (x["cosine"] if x["cosine"] is not None else -1.0,
                          x["max_rel_err"] if x["max_rel_err"] is not None else math.inf) for x in lines}


def sweep(args, family, folder):
    """One family; the number of its outputs that disagree."""
    numbers = [args.number] if args.number is not None else range(args.count)
    error, worst, outputs, bad = 0.0, dict.fromkeys(LEAST, 1.0), 0, []
    for number in numbers:
        at = folder / f"{family}-{number}"
        make(family, args.seed, number, at)
        found = {w: check(args, at, w) for w in LEAST}
        says = f"    {family} --seed {args.seed} --number {number}: "
        fault = next((f for f in found.values() if isinstance(f, str)), None)
        if fault:
            bad.append(says + fault)
        for output in () if fault else found["f32"]:
            cosines, exact = {w: found[w][output][0] for w in LEAST}, found["f32"][output][1]
            outputs += 1
            error = max(error, exact)
            worst = {w: min(worst[w], cosines[w]) for w in LEAST}
            if low := [w for w in LEAST if cosines[w] < LEAST[w]] + ["error"] * (exact > MOST_ERROR):
                bad.append(says + f"{output}: f32 error {exact:.1e} " + " ".join(f"{w} {cosines[w]:.7f}" for w in LEAST)
                           + "  LOW: " + " ".join(low))
        for file in at.glob("*") if not args.keep else ():
            file.unlink()
    print(f"{family:22} {len(numbers):6} {outputs:7} {error:9.1e} {worst['f32']:10.7f} {worst['bf16']:9.6f} {worst['i8']:9.6f}")
    print(*bad, sep="\n", end="\n" if bad else "", flush=True)
    return {"configurations": len(numbers), "outputs": outputs, "error": error, "bad": len(bad)} | worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sterna")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--count", type=int, default=4, help="configurations a family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, help="this configuration alone")
    parser.add_argument("--isa", help="as of model check")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR", help="leave the folders there")
    args = parser.parse_intermixed_args()
    if unknown := set(args.families) - set(FAMILIES):
        parser.error(f"expected families of {', '.join(FAMILIES)}, found {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    t.utils.logging.set_verbosity_error()
    t.utils.logging.disable_progress_bar()
    print(f"{'family':22} {'number':>6} {'outputs':>7} {'f32 error':>9} {'f32 cosine':>10} {'bf16':>9} {'i8':>9}")
    with contextlib.nullcontext(args.keep) if args.keep else tempfile.TemporaryDirectory() as folder:
        all_found = [sweep(args, family, pathlib.Path(folder)) for family in args.families or FAMILIES]
    total = {key: sum(x[key] for x in all_found) for key in ("configurations", "outputs", "bad")}
    print(f"{total['configurations']} configurations, {total['outputs']} outputs, {total['bad']} beyond; largest f32 error "
          f"{max(x['error'] for x in all_found):.1e} (at most {MOST_ERROR}); lowest cosines " + ", ".join(
              f"{w} {min(x[w] for x in all_found):.7f} (at least {LEAST[w]})" for w in LEAST))
    sys.exit(total["bad"] != 0)


if __name__ == "__main__":
    main()
