#!/usr/bin/env python3
"""Writes tests/golden/texts: tiny models of random weights with tokenizers trained on the spot, in the
folders that transformers and sentence-transformers save, and what these make of texts.

    pip install transformers==5.23.0 torch==2.15.* sentence-transformers==6.2.0 pillow==13.0.0
    tests/golden/make_text_embeddings.py

texts/NAME   CLIP (processor_config.json), SigLIP with pads that are seen, SigLIP 2 with pads that
             aren't, on the left; sentence-transformers of BERT, XLM-R, Qwen3 with a prompt
texts.tsv    folder, text as a JSON string, the numbers of its embedding, of unit length
"""
import json
import shutil
import sys
from pathlib import Path

import sentence_transformers.sentence_transformer.modules as st
import torch
import transformers as t
from sentence_transformers import SentenceTransformer
from tiny_checkpoint import SIZES, perturb

sys.path.insert(0, str(Path(__file__).parent.parent / "language"))
import families  # noqa: E402

OUT = Path(__file__).parent / "texts"
CORPUS = ["a photo of a cat on the grass", "two dogs running along the beach with a red ball",
          "what animal is this?", "An empty street at night, in the rain.", "it's 3 o'clock: don't wait",
          "naïve café, Ångström", "the quick brown fox jumps over the lazy dog", "SIGNS and punctuation - everywhere!"] * 4
TEXTS = ["a cat", "Two DOGS on the beach!", "", "  it's   3 o'clock... ", "naïve café — Ångström 東京 😀",
         "the quick brown fox jumps over the lazy dog and waits for the rain at night in an empty street"]


def train(family, name, size, **special):
    tokenizer = next(tok for n, tok in families.FAMILIES[family](CORPUS, size) if n == name)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return t.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def halves(model):
    """Files hold halves, and what they hold is what is run."""
    return perturb(model).half()


def clip(folder):
    tok = train("clip", "clip", 560, bos_token="<|startoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>",
                unk_token="<|endoftext|>", model_max_length=18)
    net = halves(t.CLIPModel(t.CLIPConfig(
        text_config=dict(vocab_size=len(tok), max_position_embeddings=18, bos_token_id=tok.bos_token_id,
                         eos_token_id=tok.eos_token_id, projection_dim=12, **SIZES),
        vision_config=dict(image_size=8, patch_size=4, projection_dim=12, **SIZES), projection_dim=12)))
    net.save_pretrained(folder)
    image = t.CLIPImageProcessorPil(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
    t.CLIPProcessor(image, tok).save_pretrained(folder)
    processor = t.AutoProcessor.from_pretrained(folder, backend="pil")
    return lambda texts: net.float().get_text_features(
        **processor(text=texts, padding=True, truncation=True, return_tensors="pt"))


def siglip(folder):
    tok = train("unigram", "siglip", 90, eos_token="</s>", pad_token="</s>", unk_token="<unk>", model_max_length=16,
                padding_side="right", model_input_names=["input_ids"])
    net = halves(t.SiglipModel(t.SiglipConfig(
        text_config=dict(vocab_size=len(tok), max_position_embeddings=16, **SIZES),
        vision_config=dict(image_size=8, patch_size=4, **SIZES))))
    return padded(folder, net, tok)


def siglip2(folder):
    tok = train("gemma", "gemma", 340, eos_token="<eos>", bos_token="<bos>", pad_token="<pad>", unk_token="<unk>",
                mask_token="[MASK]", model_max_length=16)
    net = halves(t.Siglip2Model(t.Siglip2Config(
        text_config=dict(vocab_size=len(tok), max_position_embeddings=16, **SIZES),
        vision_config=dict(num_patches=16, patch_size=2, **SIZES))))
    return padded(folder, net, tok)


def padded(folder, net, tok):
    net.save_pretrained(folder)
    tok.save_pretrained(folder)
    tok = t.AutoTokenizer.from_pretrained(folder)  # of siglip2: Siglip2Tokenizer, whatever was saved
    return lambda texts: net.float().get_text_features(
        **tok(texts, padding="max_length", max_length=16, truncation=True, return_tensors="pt"))


def sentences(folder, tok, net, *modules, length=None, **options):
    base = folder.with_name(folder.name + ".base")
    halves(net).save_pretrained(base)
    tok.save_pretrained(base)
    first = st.Transformer(str(base), **({"max_seq_length": length} if length else {}))
    SentenceTransformer(modules=[first, *modules], **options).save_pretrained(str(folder))
    shutil.rmtree(base)
    model = SentenceTransformer(str(folder), device="cpu").float()
    return lambda texts: model.encode(texts, convert_to_tensor=True)


def sentence_bert(folder):
    tok = train("wordpiece", "bert", 120, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]",
                mask_token="[MASK]", model_max_length=40)
    net = t.BertModel(t.BertConfig(vocab_size=len(tok), max_position_embeddings=40, **SIZES), add_pooling_layer=False)
    return sentences(folder, tok, net, st.Pooling(16, "mean"), st.Normalize(), length=14)


def sentence_roberta(folder):
    tok = train("gpt2", "roberta", 330, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", pad_token="<|endoftext|>",
                model_max_length=20)
    net = t.XLMRobertaModel(t.XLMRobertaConfig(vocab_size=len(tok), max_position_embeddings=21 + tok.pad_token_id,
                                               pad_token_id=tok.pad_token_id, **SIZES), add_pooling_layer=False)
    return sentences(folder, tok, net, st.Pooling(16, "cls"))


def sentence_qwen3(folder):
    tok = train("qwen", "qwen", 330, eos_token="<|endoftext|>", pad_token="<|endoftext|>", padding_side="left")
    net = t.Qwen3Model(t.Qwen3Config(vocab_size=len(tok), num_key_value_heads=1, head_dim=8, max_position_embeddings=64, **SIZES))
    return sentences(folder, tok, net, st.Pooling(16, "lasttoken"), st.Normalize(), length=32,
                     prompts={"query": "find: ", "document": ""}, default_prompt_name="query")


@torch.no_grad()
def main():
    torch.manual_seed(5)
    shutil.rmtree(OUT, ignore_errors=True)
    lines = []
    for name, make in {"clip": clip, "siglip": siglip, "siglip2": siglip2,
                       "sentence_bert": sentence_bert, "sentence_roberta": sentence_roberta,
                       "sentence_qwen3": sentence_qwen3}.items():
        run = make(OUT / name)
        for text in TEXTS:
            x = run([text])
            x = (x if torch.is_tensor(x) else x.pooler_output)[0].float()
            x = (x / x.norm()).tolist()
            lines.append("\t".join([name, json.dumps(text), " ".join(f"{v:.9g}" for v in x)]))
        for extra in (OUT / name).glob("README.md"):
            extra.unlink()
    (OUT.parent / "texts.tsv").write_text("\n".join(lines) + "\n")
    for file in OUT.glob("**/*"):
        if file.is_file():
            file.chmod(0o644)
    print(len(lines), "texts")


if __name__ == "__main__":
    main()
