"""Makers for make_checkpoints.py: text towers, and folders of sentence-transformers."""
import json

import sentence_transformers.sentence_transformer.modules as st
import torch
import transformers as t
from tiny_checkpoint import OUT, SIZES, ids, masks, perturb, save, write_golden


def bert():
    net = perturb(t.BertModel(t.BertConfig(vocab_size=50, max_position_embeddings=24, **SIZES)))
    inputs = {"input_ids": ids(4, 17, 50), "attention_mask": masks(4, 17)}
    out = net(**inputs)
    save("bert", net, inputs | {"last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def xlm_roberta():
    net = perturb(t.XLMRobertaModel(t.XLMRobertaConfig(vocab_size=50, max_position_embeddings=24, pad_token_id=4, **SIZES)))
    inputs = {"input_ids": ids(4, 13, 50), "attention_mask": masks(4, 13)}
    inputs["input_ids"][inputs["attention_mask"] == 0] = 4
    out = net(**inputs)
    save("xlm_roberta", net, inputs | {"last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def modernbert():
    net = perturb(t.ModernBertModel(t.ModernBertConfig(
        vocab_size=40, pad_token_id=0, local_attention=6, layer_types=["full_attention", "sliding_attention"], **SIZES)))
    inputs = {"input_ids": ids(3, 15, 40), "attention_mask": masks(3, 15)}
    save("modernbert", net, inputs | {"last_hidden_state": net(**inputs).last_hidden_state})


def llama():
    net = perturb(t.LlamaModel(t.LlamaConfig(vocab_size=40, num_key_value_heads=1, attention_bias=True, **SIZES)))
    inputs = {"input_ids": ids(3, 12, 40), "attention_mask": masks(3, 12)}
    save("llama", net, inputs | {"last_hidden_state": net(**inputs).last_hidden_state})


def qwen3():
    net = perturb(t.Qwen3Model(t.Qwen3Config(vocab_size=40, num_key_value_heads=1, head_dim=12, **SIZES)))
    inputs = {"input_ids": ids(3, 12, 40), "attention_mask": masks(3, 12)}
    save("qwen3", net, inputs | {"last_hidden_state": net(**inputs).last_hidden_state})


def gemma3():
    net = perturb(t.Gemma3TextModel(t.Gemma3TextConfig(
        vocab_size=40, head_dim=16, num_key_value_heads=1, sliding_window=5, query_pre_attn_scalar=20,
        layer_types=["sliding_attention", "full_attention"], **SIZES)))
    inputs = {"input_ids": ids(3, 14, 40), "attention_mask": masks(3, 14)}  # causal
    out = net(**inputs)
    save("gemma3", net, inputs | {"last_hidden_state": out.last_hidden_state})


def sentences(name, net, modules, text, old_pooling=None):
    """A folder of sentence-transformers: the tower, and `modules` behind it, each saved by its own code.
    `old_pooling`: the keys that releases before 5.7 wrote, in place of the pooling's own."""
    features = dict(text) | {"token_embeddings": net(**text).last_hidden_state}
    golden = dict(text) | {"last_hidden_state": features["token_embeddings"]}
    for module in modules:
        features = perturb(module)(features)
        golden.setdefault("pooled", features["sentence_embedding"])
    golden["sentence_embedding"] = features["sentence_embedding"]
    save(name, net, {})
    listed = [("Transformer", "")]
    for i, module in enumerate(modules, 1):
        kind = type(module).__name__
        listed.append((kind, f"{i}_{kind}"))
        folder = OUT / name / listed[-1][1]
        if kind != "Normalize":
            folder.mkdir(parents=True)
            module.save(str(folder))
    if old_pooling:
        (OUT / name / listed[1][1] / "config.json").write_text(json.dumps(old_pooling, indent=4) + "\n")
    (OUT / name / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
         for i, (kind, path) in enumerate(listed)], indent=2) + "\n")
    write_golden(name, golden)


def sentence_bert():
    """Every pooling there is, joined, and every module behind it."""
    net = perturb(t.BertModel(t.BertConfig(vocab_size=50, max_position_embeddings=24, **SIZES), add_pooling_layer=False))
    text = {"input_ids": ids(4, 9, 50), "attention_mask": masks(4, 9)}
    sentences("sentence_bert", net, [
        st.Pooling(16, ("lasttoken", "max", "weightedmean", "cls", "mean_sqrt_len_tokens", "mean")),
        st.Dense(96, 12), st.LayerNorm(12), st.Normalize()], text)


def embeddinggemma():
    """EmbeddingGemma: Gemma 3 that looks both ways, through windows and all over, and two maps of the mean."""
    net = perturb(t.Gemma3TextModel(t.Gemma3TextConfig(
        vocab_size=40, head_dim=12, num_key_value_heads=1, sliding_window=6, query_pre_attn_scalar=12,
        use_bidirectional_attention=True, max_position_embeddings=64,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"], **(SIZES | {"num_hidden_layers": 3}))))
    text = {"input_ids": ids(3, 14, 40), "attention_mask": masks(3, 14)}
    keys = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    sentences("embeddinggemma", net, [
        st.Pooling(16, "mean"), st.Dense(16, 24, bias=False, activation_function=torch.nn.Identity()),
        st.Dense(24, 16, bias=False, activation_function=torch.nn.Identity()), st.Normalize()], text,
        {"word_embedding_dimension": 16} | {f"pooling_mode_{k}": k == "mean_tokens" for k in keys} | {"include_prompt": True})


def qwen3_embedding():
    """Qwen3-Embedding: the last token that is no padding, on either side."""
    net = perturb(t.Qwen3Model(t.Qwen3Config(vocab_size=40, num_key_value_heads=1, head_dim=8, **SIZES)))
    text = {"input_ids": ids(3, 10, 40), "attention_mask": masks(3, 10)}
    sentences("qwen3_embedding", net, [st.Pooling(16, "lasttoken"), st.Normalize()], text)
