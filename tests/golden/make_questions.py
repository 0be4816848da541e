#!/usr/bin/env python3
"""Writes tests/golden/questions: tiny models with a predictor, of random weights, with preprocessors and with
tokenizers trained on the spot, and what PyTorch makes of synthetic pictures and clips and of questions and
answers to them: from pixels and words to unit embeddings.

    pip install transformers==5.23.0 torch==2.15.* torchvision==0.29.2 sentence-transformers==6.2.0 pillow==13.0.0
    tests/golden/make_questions.py

questions/vljepa     open-vljepa's folder; predictor/ and y_encoder/ hold its two tokenizers
questions/composed   sterna.json of a DINOv2, a sentence-transformers BERT and the predictor
questions.jsonl      {"folder", "kind", "seeds", "width", "height", "question", "predicted"}, pictures by
                     make_pixels.noise, several seeds being a clip; {"folder", "text", "target"}
"""
import json
import shutil
from pathlib import Path

import sentence_transformers.sentence_transformer.modules as st
import torch
import transformers as t
from make_embeddings import IMAGENET, square
from make_pixels import noise
from make_text_embeddings import sentences, train
from open_vljepa import OpenVljepa
from PIL import Image
from safetensors.torch import save_file
from tiny_checkpoint import SIZES, perturb

HERE = Path(__file__).parent
OUT = HERE / "questions"
DIM = 20
QUESTIONS = ["Describe the video.", "what animal is this?", "is there a red ball on the beach, or is it night in the rain?"]
ANSWERS = ["a cat", "Two dogs on the beach", "an empty street at night, in the rain"]
SHOTS = [("blocks", [71], 33, 50), ("noise", [72], 64, 40), ("blocks", [73, 74, 75, 76], 40, 30)]


def halves(net):
    return perturb(net).half().float()


def networks():
    llama_tokens = train("llama3", "llama3", 330, bos_token="<|begin_of_text|>")
    gemma_tokens = train("gemma", "gemma", 340, eos_token="<eos>", bos_token="<bos>", pad_token="<pad>", unk_token="<unk>")
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    x = t.VJEPA2Config(patch_size=4, crop_size=12, frames_per_clip=4, mlp_ratio=2.0, pred_hidden_size=12,
                       pred_num_attention_heads=2, pred_num_hidden_layers=0, pred_num_mask_tokens=1, **small)
    llama = t.LlamaConfig(vocab_size=len(llama_tokens), num_key_value_heads=2, hidden_act="silu", rms_norm_eps=1e-5,
                          rope_parameters={"rope_type": "default", "rope_theta": 500.0},
                          **(SIZES | {"num_hidden_layers": 3, "num_attention_heads": 4}))
    llama._attn_implementation = "eager"
    gemma = t.Gemma3TextConfig(vocab_size=len(gemma_tokens), head_dim=10, num_key_value_heads=1, sliding_window=6,
                               query_pre_attn_scalar=12, use_bidirectional_attention=True, max_position_embeddings=64,
                               layer_types=["sliding_attention", "full_attention"], **SIZES)
    return halves(OpenVljepa(x, llama, gemma, dim=DIM)).eval(), llama_tokens, gemma_tokens


def unit(x):
    return (x[0] / x[0].norm()).tolist()


def rows(folder, see, predict, target):
    for kind, seeds, width, height in SHOTS:
        tokens = see([noise(width, height, seed, kind) for seed in seeds])
        for question in QUESTIONS:
            yield {"folder": folder, "kind": kind, "seeds": seeds, "width": width, "height": height, "question": question,
                   "predicted": unit(predict(tokens, question))}
    for text in ANSWERS:
        yield {"folder": folder, "text": text, "target": unit(target(text))}


def vljepa(net, asks, reads):
    folder = OUT / "vljepa"
    asks.save_pretrained(folder / "predictor")
    reads.save_pretrained(folder / "y_encoder")
    (folder / "config.json").write_text(json.dumps(net.config, indent=1, default=str) + "\n")
    (folder / "video_preprocessor_config.json").write_text(json.dumps(
        {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": square(12), **IMAGENET}, indent=2) + "\n")
    save_file({k: v.half().contiguous() for k, v in net.state_dict().items() if not k.startswith("rotary")},
              folder / "model.safetensors")
    processor = t.VJEPA2VideoProcessor.from_pretrained(folder)

    def see(frames):
        video = torch.stack([torch.from_numpy(f).permute(2, 0, 1) for f in frames])
        return net.see(processor(video, return_tensors="pt")["pixel_values_videos"])

    def predict(tokens, question):
        words = asks(question, return_tensors="pt")
        return net.predict(tokens, words["input_ids"], words["attention_mask"])

    def target(text):
        words = reads(text, return_tensors="pt")
        return net.target(words["input_ids"], words["attention_mask"])
    yield from rows("vljepa", see, predict, target)


def composed(net, asks):
    folder = OUT / "composed"
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    tower = halves(t.Dinov2Model(t.Dinov2Config(image_size=16, patch_size=4, mlp_ratio=1, **small))).eval()
    tower.half().save_pretrained(folder / "vision")
    tower.float()
    (folder / "vision/preprocessor_config.json").write_text(json.dumps(
        {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 18}, "crop_size": square(16), "resample": 3,
         **IMAGENET}, indent=2) + "\n")
    processor = t.AutoImageProcessor.from_pretrained(folder / "vision", backend="pil")
    words = train("wordpiece", "bert", 120, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]",
                  mask_token="[MASK]", model_max_length=40)
    bert = t.BertModel(t.BertConfig(vocab_size=len(words), max_position_embeddings=40, **SIZES), add_pooling_layer=False)
    encode = sentences(folder / "text", words, bert, st.Pooling(16, "mean"))
    to_space = halves(torch.nn.Linear(16, DIM))
    (folder / "predictor").mkdir()
    (folder / "predictor/config.json").write_text(json.dumps(net.config["predictor"], indent=1, default=str) + "\n")
    asks.save_pretrained(folder / "predictor")
    weights = {k: v.half().contiguous() for k, v in net.predictor.state_dict().items()}
    save_file(weights | {f"text_proj.{k}": v.half() for k, v in to_space.state_dict().items()},
              folder / "predictor/model.safetensors")
    (folder / "sterna.json").write_text(json.dumps(
        {"vision": "vision", "text": "text", "predictor": "predictor", "temperature": 0.1}, indent=2) + "\n")

    def see(frames):
        inputs = processor([Image.fromarray(f) for f in frames], return_tensors="pt")
        return tower(**inputs).last_hidden_state.flatten(0, 1)[None]

    def predict(tokens, question):
        ids = asks(question, return_tensors="pt")
        return net.predict(tokens, ids["input_ids"], ids["attention_mask"])
    yield from rows("composed", see, predict, lambda text: to_space(encode([text])))


@torch.no_grad()
def main():
    torch.manual_seed(7)
    shutil.rmtree(OUT, ignore_errors=True)
    net, asks, reads = networks()
    lines = [*vljepa(net, asks, reads), *composed(net, asks)]
    (HERE / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for file in OUT.glob("**/*"):
        if file.name in ("README.md", ".gitattributes"):
            file.unlink()
        elif file.is_file():
            file.chmod(0o644)
    print(len(lines), "lines")


if __name__ == "__main__":
    main()
