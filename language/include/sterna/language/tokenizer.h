#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::language {

/// A tokenizer as a Hugging Face `tokenizer.json` describes it. Gives the ids of `tokenizers` 0.23
/// for every string; bytes that are not UTF-8 count as U+FFFD the way Python's errors="replace"
/// makes them.
///
/// Steps: added tokens that are not normalised are cut out; normalizer; those that are normalised;
/// pre_tokenizer; model; post_processor (of a single text). Supported:
///   normalizer      Sequence, BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents,
///                   Strip, Replace, Prepend, Precompiled, ByteLevel, Nmt
///   pre_tokenizer   Sequence, ByteLevel, Split, Metaspace, BertPreTokenizer, Whitespace,
///                   WhitespaceSplit, Punctuation, Digits
///   model           WordPiece, BPE (without dropout), Unigram, WordLevel
///   post_processor  Sequence, TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel
/// Expressions of Replace and Split: what language/regex.h lists, which covers those of GPT-2,
/// CLIP, Llama 3, Qwen and GPT-4o. Any other type or setting that changes ids is an error that
/// names it.
///
/// Const after construction; any number of threads may call it.
class Tokenizer {
 public:
  /// Reads the text of a file as hostile: at most 64 MiB, 32 levels of nesting. Throws
  /// sterna::Error "FILE_NAME: node.of[3].type: expected ..., found ...".
  /// `lower_case`: the normalizer brings texts to lower case first, as Siglip2Tokenizer adds to its
  /// file's; added tokens that it does not reach keep their case.
  static Tokenizer open(std::string_view json, std::string_view file_name,
                        bool lower_case = false);
  static Tokenizer load(const std::filesystem::path& file);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// The ids of `text` (below 1 GiB) between those of the post-processor; `special` = false leaves
  /// these out, as add_special_tokens does. Throws sterna::Error for an unknown part of the text
  /// where the file has no token for that.
  std::vector<uint32_t> encode(std::string_view text, bool special = true) const;
  /// The same, cut to `max_tokens` in all (0: no limit) as `tokenizers` truncates: at the end of
  /// the text, or at its beginning where the file's truncation says so. Throws for a limit that
  /// leaves no room for the post-processor's ids. Reuses the memory of `ids`.
  void encode(std::string_view text, size_t max_tokens, std::vector<uint32_t>& ids,
              bool special = true) const;

  /// 1 + the largest id that encode can give.
  size_t size() const;
  /// Of an added token or of the model's.
  std::optional<uint32_t> id(std::string_view token) const;

  /// What the file says of lengths. encode does neither by itself: its callers know their models'
  /// positions, and leave padding out instead of computing it.
  struct Truncation {
    size_t max_tokens;
    bool left;  // drops ids at the beginning
  };
  struct Padding {
    uint32_t id;
    bool left;
  };
  const std::optional<Truncation>& truncation() const;
  const std::optional<Padding>& padding() const;

  struct Parts;  // private: language/tokenizer_parts.h

 private:
  explicit Tokenizer(std::unique_ptr<const Parts> parts);

  std::unique_ptr<const Parts> parts_;
};

}  // namespace sterna::language
