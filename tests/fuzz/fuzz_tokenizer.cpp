// Any bytes as a tokenizer.json (an Error, or a tokenizer), and any bytes as a text to tokenize.
#include <sterna/language/tokenizer.h>
#include <sterna/language/wordpiece.h>
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

/// Ids inside the vocabulary, and a limit that is kept, or an Error.
void check_ids(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<uint32_t> all, cut;
  tokenizer.encode(text, 0, all);
  for (const uint32_t id : all) {
    if (id >= tokenizer.size()) std::abort();
  }
  tokenizer.encode(text, 8, cut);
  if (cut.size() > 8 || (all.size() <= 8 && all != cut)) std::abort();
}

/// Runs `make_and_use`, which may throw an Error of one line that names "x".
template <class MakeAndUse>
void check_errors(MakeAndUse make_and_use) {
  try {
    make_and_use();
  } catch (const Error& e) {
    const std::string message = e.what();
    if (message.find('\n') != std::string::npos) std::abort();
    if (!message.starts_with("x: ") && !message.starts_with("tokenizer: ")) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_ids(small(), bytes);
  const std::string_view words = "The cats run, \xE7\x8C\xAB! [MASK] <s> caf\xC3\xA9\n\n 12's";
  check_errors([&] {
    const Tokenizer tokenizer = Tokenizer::open(bytes, "x");
    check_ids(tokenizer, words);
    check_ids(tokenizer, bytes.substr(0, 2000));
  });
  return 0;
}
