// Any bytes as a tokenizer.json (an Error, or a tokenizer), and any bytes as a text to tokenize.
#include <sterna/language/tokenizer_json.h>
#include <sterna/quant/error.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace sterna;
using namespace sterna::language;

namespace {

/// Every text becomes [CLS] ... [SEP] of ids inside the vocabulary, cut or not.
void check_ids(const WordPiece& tokenizer, std::string_view text) {
  std::vector<uint32_t> all, cut;
  tokenizer.encode(text, 0, all);
  tokenizer.encode(text, 8, cut);
  for (const auto& ids : {all, cut}) {
    if (ids.size() < 2 || ids.front() != tokenizer.options().cls ||
        ids.back() != tokenizer.options().sep) {
      std::abort();
    }
    for (const uint32_t id : ids) {
      if (id >= tokenizer.size()) std::abort();
    }
  }
  if (cut.size() > 8 || (all.size() <= 8 && all != cut)) std::abort();
}

const WordPiece& small() {
  static const WordPiece tokenizer =
      WordPiece::bert({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "cat", "##s",
                       "\xE7\x8C\xAB", ","});
  return tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_ids(small(), bytes);
  try {
    const WordPiece tokenizer = parse_tokenizer_json(bytes, "x");
    check_ids(tokenizer, "The cats run, \xE7\x8C\xAB! [MASK] caf\xC3\xA9");
    check_ids(tokenizer, bytes);
  } catch (const Error& e) {
    const std::string message = e.what();
    if (!message.starts_with("x: ") || message.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
