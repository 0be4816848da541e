#pragma once

#include <doctest/doctest.h>
#include <sterna/language/tokenizer.h>
#include <tests/support/folder.h>

#include <string>
#include <string_view>

namespace sterna::test {

/// `text` with the first `from` replaced, which must be there.
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  REQUIRE(at != text.npos);
  return text.replace(at, from.size(), to);
}

/// What is wrong with a tokenizer.json, or with `sample` for it; "" if nothing is.
inline std::string tokenizer_fault(const std::string& json, std::string_view sample) {
  return message_of<Error>([&] { language::Tokenizer::open(json, "t.json").encode(sample); });
}

}  // namespace sterna::test
