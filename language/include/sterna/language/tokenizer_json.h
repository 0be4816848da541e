#pragma once

#include <sterna/language/wordpiece.h>

#include <filesystem>
#include <string_view>

namespace sterna::language {

/// The tokenizer of a Hugging Face `tokenizer.json` that holds a WordPiece model with BERT's
/// normaliser, pre-tokenizer and post-processor. The file's truncation and padding are left out:
/// callers of WordPiece::encode say how long a text may be. Treats the text as hostile. Throws
/// sterna::Error "WHERE: node: expected ..., found ..." for anything else.
WordPiece parse_tokenizer_json(std::string_view json, std::string_view where);

/// The same from a file of at most 64 MiB.
WordPiece load_tokenizer_json(const std::filesystem::path& file);

}  // namespace sterna::language
