"""Tokenizers of every family, trained on the spot: each a tokenizer.json as transformers makes them for
GPT-2, RoBERTa, CLIP, Llama 3, Qwen, GPT-4o, Gemma, Llama 2, SigLIP and T5, XLM-R, BERT, and odd mixtures."""
import collections
import json
import struct
import unicodedata

from tokenizers import (AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors,
                        trainers)

CLIP = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN = LLAMA3.replace("{1,3}", "")
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CHARSMAP_END = 0x30000  # code points that the charsmap maps
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def double_array(mapping):
    """A precompiled_charsmap (Darts-clone's layout) of {bytes: text}."""
    texts, offsets = b"", {}
    for text in mapping.values():
        if text not in offsets:
            offsets[text] = len(texts)
            texts += text.encode() + b"\0"
    trie = {}
    for key, text in mapping.items():
        node = trie
        for byte in key:
            node = node.setdefault(byte, {})
        node[None] = offsets[text]
    units, bases = {0: 0}, set()
    queue, free = [(0, trie)], 1
    while queue:
        at, node = queue.pop()
        labels = [0 if k is None else k for k in node]
        offset = free
        while offset in bases or any((offset ^ k) in units for k in labels):
            offset += 1
        bases.add(offset)
        free = max(free, offset - 200)
        for label, child in node.items():
            k = offset ^ (0 if label is None else label)
            units[k] = child | 1 << 31 if label is None else label
            if label is not None:
                queue.append((k, child))
        assert at ^ offset < 1 << 21
        units[at] |= (at ^ offset) << 10 | (1 << 8 if None in node else 0)
    size = (max(units) | 0xFF) + 1
    return struct.pack(f"<I{size}I", size * 4, *(units.get(i, 0) for i in range(size))) + texts


def charsmap():
    """nmt_nfkc in the manner of SentencePiece: code points, and letters with a mark."""
    mapping = {}
    for c in range(1, CHARSMAP_END):
        s = chr(c)
        if 0xD800 <= c < 0xE000:
            continue
        to = unicodedata.normalize("NFKC", s)
        if c < 9 or c == 0xB or 0xE <= c < 0x20 or c in (0x7F, 0xAD):
            to = ""
        elif c in (9, 0xA, 0xC, 0xD, 0x200B, 0x2028, 0xFEFF, 0xFFFD):
            to = " "
        if to != s:
            mapping[s.encode()] = to
        pair = unicodedata.normalize("NFD", s)
        if len(pair) == 2 and unicodedata.normalize("NFC", pair) == s and c % 3:
            mapping[pair.encode()] = s
    return double_array(mapping)


def common(corpus, size):
    """The corpus in its commonest characters: a vocabulary of `size` has no room for all."""
    kept = {c for c, _ in collections.Counter("".join(corpus)).most_common(size // 4)}
    return ["".join(c for c in text if c in kept) for text in corpus]


def bpe(corpus, size, pre, normalizer=None, special=(), alphabet=True, model=None, **trainer):
    t = Tokenizer(models.BPE(**(model or {})))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.train_from_iterator(common(corpus, size), trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet else [], **trainer))
    return t


def template(t, single, *names):
    return processors.TemplateProcessing(single=single, pair="$A $B", special_tokens=[
        (n, t.token_to_id(n)) for n in names])


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def changed(t, change):
    spec = json.loads(t.to_str())
    change(spec)
    return Tokenizer.from_str(json.dumps(spec))


def gpt2(corpus, size):
    t = bpe(corpus, size, pre_tokenizers.ByteLevel(add_prefix_space=False), special=["<|endoftext|>"])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    yield "gpt2", t

    def legacy(spec):
        spec["model"]["merges"] = ["#version: 0.2"] + [" ".join(m) for m in spec["model"]["merges"]]
    t = changed(t, legacy)
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.add_special_tokens(["<s>", "</s>", AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    t.post_processor = processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>")))
    yield "roberta", t


def clip(corpus, size):
    t = bpe(corpus, size, pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(CLIP), "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
        ["<|startoftext|>", "<|endoftext|>"], end_of_word_suffix="</w>",
        model=dict(unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    ends = [(n, t.token_to_id(n)) for n in ("<|endoftext|>", "<|startoftext|>")]
    t.post_processor = processors.RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
    yield "clip", t


def llama3(corpus, size):
    t = bpe(corpus, size, split(LLAMA3), special=["<|begin_of_text|>", "<|eot_id|>"], model=dict(ignore_merges=True))
    t.post_processor = processors.Sequence([processors.ByteLevel(), template(t, "<|begin_of_text|> $A", "<|begin_of_text|>")])
    yield "llama3", t
    t.pre_tokenizer = split(O200K)
    yield "gpt4o's expression", t


def qwen(corpus, size):
    t = bpe(corpus, size, split(QWEN), normalizers.NFC(), ["<|endoftext|>", "<|im_start|>"],
            model=dict(end_of_word_suffix="", continuing_subword_prefix=""))
    t.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("Ångström", normalized=True)])
    t.post_processor = template(t, "$A <|endoftext|>", "<|endoftext|>")
    yield "qwen", t
    t.pre_tokenizer = split(QWEN35)
    yield "qwen3.5's expression", t


def gemma(corpus, size):
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "[MASK]"]
    t = bpe(corpus, size, pre_tokenizers.Split(" ", "merged_with_previous"), normalizers.Replace(" ", "▁"),
            special + BYTES, alphabet=False, model=dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True))

    def bytes_of_model(spec):
        spec["added_tokens"] = [a for a in spec["added_tokens"] if a["content"] in special]
    t = changed(t, bytes_of_model)
    t.add_tokens([AddedToken("\n" * n, normalized=False) for n in range(2, 8)] + [
        AddedToken(x, normalized=False) for x in ("▁▁", "▁▁▁", "<table>", "<unused0>")])
    t.post_processor = template(t, "<bos> $A <eos>", "<bos>", "<eos>")
    yield "gemma", t

    def holes(spec):  # byte tokens are missing: unknown ones come in, at odd places
        for name in BYTES[0xA0:0xC4]:
            spec["model"]["vocab"][name + "x"] = spec["model"]["vocab"].pop(name)
        spec["model"]["fuse_unk"] = False
    yield "gemma without some bytes", changed(t, holes)

    def llama2(spec):
        spec["normalizer"] = {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
        spec["pre_tokenizer"] = None
        for a in spec["added_tokens"]:
            a["normalized"] = a["content"] in ("<table>", "<unused0>")
    yield "llama2", changed(t, llama2)


def unigram(corpus, size):
    nmt = normalizers.Precompiled(charsmap())
    meta = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")

    def train(normalizer, pre, special, unk="<unk>"):
        t = Tokenizer(models.Unigram())
        t.normalizer, t.pre_tokenizer = normalizer, pre
        t.train_from_iterator(common(corpus, size), trainers.UnigramTrainer(
            vocab_size=size, special_tokens=special, unk_token=unk, show_progress=False, max_piece_length=12))
        return t

    t = train(normalizers.Sequence([nmt, normalizers.Strip(left=False, right=True),
                                    normalizers.Replace(Regex(" {2,}"), "▁")]), meta, ["<pad>", "</s>", "<unk>"])
    t.post_processor = template(t, "$A </s>", "</s>")
    yield "siglip", t
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    t.normalizer = normalizers.Sequence([nmt, normalizers.Strip(), normalizers.Replace("``", '"')])
    t.add_special_tokens([AddedToken("<extra_id_0>", rstrip=True, lstrip=True, normalized=False),
                          AddedToken("<sep>", single_word=True, normalized=True)])
    yield "unigram, first", t
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(), normalizers.StripAccents(),
                                         normalizers.Lowercase()])
    yield "unigram, first, other normalizers", t
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), meta])
    t.normalizer = nmt
    yield "t5", t

    def fallback(spec):
        spec["model"]["byte_fallback"] = True
        spec["model"]["vocab"] += [[b, -30.0] for b in BYTES]
        for a in spec["added_tokens"]:
            if a["id"] >= len(spec["model"]["vocab"]) - 256:
                a["id"] += 256
        spec["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}]}
        spec["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": False}
    yield "unigram with bytes, one word", changed(t, fallback)


def wordpiece(corpus, size):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(common(corpus, size), trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False))
    t.post_processor = template(t, "[CLS] $A [SEP]", "[CLS]", "[SEP]")
    yield "bert", t
    t.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(),
                                         normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    t.post_processor = processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]")))
    t.add_tokens([AddedToken("Café", normalized=True, single_word=True), AddedToken("dog", normalized=True)])
    yield "wordpiece, other parts", t
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    yield "bert in steps", t


def words(corpus, size):
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.normalizer = normalizers.NFD()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"),
                                               pre_tokenizers.Digits(individual_digits=False)])
    t.train_from_iterator(corpus, trainers.WordLevelTrainer(vocab_size=size, special_tokens=["[UNK]"], show_progress=False))
    yield "wordlevel", t
    for behaviour in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\s|\p{Lu}|[.,\-]"), behaviour)])
        t.normalizer = normalizers.NFKC()
        yield f"split, {behaviour}", t


FAMILIES = dict(gpt2=gpt2, clip=clip, llama3=llama3, qwen=qwen, gemma=gemma, unigram=unigram, wordpiece=wordpiece,
                words=words)
