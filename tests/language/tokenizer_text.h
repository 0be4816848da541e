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

/// Of `good`, every prefix is at fault, and with any byte changed it is at fault or still good;
/// `fault` tells in one line that begins with the file's name.
inline void check_damaged(const std::string& good, std::string (*fault)(const std::string&)) {
  for (size_t n = 0; n < good.size(); ++n) {
    const std::string message = fault(good.substr(0, n));
    CHECK(message.starts_with("t.json: "));
    CHECK(message.find('\n') == std::string::npos);
  }
  std::string text = good;
  for (size_t n = 0; n < good.size(); ++n)
    for (const char c : {'0', '[', '"', '\xFF'}) {
      text[n] = c;
      const std::string message = fault(text);
      CHECK((message.empty() || message.starts_with("t.json: ")));
      CHECK(message.find('\n') == std::string::npos);
      text[n] = good[n];
    }
}

}  // namespace sterna::test
