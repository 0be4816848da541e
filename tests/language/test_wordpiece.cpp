#include <doctest/doctest.h>
#include <language/json_node.h>
#include <language/tokenizer_parts.h>
#include <language/words.h>
#include <sterna/language/tokenizer.h>
#include <sterna/language/wordpiece.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "golden.h"

using namespace sterna;
using namespace sterna::language;

namespace {

const std::string kGolden = std::string(STERNA_TEST_DATA) + "/golden/language/tokenizer.json";

/// Of the golden file's vocabulary, as model files bind it.
WordPiece golden_tokenizer() {
  const auto document = parse_json(read_json_file(kGolden), kGolden);
  const JsonNode root{document, kGolden + ": "};
  const WordPiece pieces = read_wordpiece(root["model"], root["normalizer"]);
  std::vector<std::string> vocabulary;
  for (uint32_t i = 0; i < pieces.size(); ++i) vocabulary.push_back(pieces.token(i));
  return WordPiece::bert(std::move(vocabulary));
}

WordPiece tiny() {
  return WordPiece::bert({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "##b", "cat",
                          "##s", "cats", "!", "e"});
}

using Ids = std::vector<uint32_t>;
Ids encode(const WordPiece& t, std::string_view text, size_t max_tokens = 0) {
  Ids ids;
  t.encode(text, max_tokens, ids);
  return ids;
}

}  // namespace

TEST_CASE("ids equal those of tokenizers on 2,500 strings") {
  const WordPiece tokenizer = golden_tokenizer();
  const Tokenizer whole = Tokenizer::load(kGolden);  // the same of the file as it is
  test::Golden golden("strings.bin");
  Ids found;
  size_t strings = 0, wrong = 0;
  for (; !golden.done(); ++strings) {
    const std::string text = golden.bytes(golden.value<uint32_t>());
    Ids expected(golden.value<uint32_t>());
    for (uint32_t& id : expected) id = golden.value<uint16_t>();
    tokenizer.encode(text, 0, found);
    wrong += found != expected;
    wrong += whole.encode(text) != expected;
    tokenizer.encode(text, 9, found);  // a limit drops ids before [SEP] and changes no other
    Ids cut(expected.begin(),
            expected.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(9, expected.size())));
    cut.back() = expected.back();
    wrong += found != cut;
    whole.encode(text, 9, found);
    wrong += found != cut;
  }
  CHECK(strings == 2500);
  CHECK(wrong == 0);
}

TEST_CASE("words of every code point equal those of tokenizers, uncased and cased") {
  test::Golden golden("words.bin");
  size_t wrong = 0;
  for (const bool lowercase : {true, false}) {
    const BertNormalizer options{.strip_accents = lowercase, .lowercase = lowercase};
    for (char32_t first = 0; first < 0x110000; first += 1024) {
      uint64_t hash = 0xCBF29CE484222325u;
      bool begun = false;
      const auto eat = [&](std::string_view word) {
        if (begun) hash = (hash ^ '\n') * 0x100000001B3u;
        begun = true;
        for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
      };
      for (char32_t c = first; c < first + 1024; ++c) {
        if (c >= 0xD800 && c < 0xE000) continue;
        char point[4];
        const std::string_view self(point, utf8::encode(c, point));
        const std::string text =
            "A" + std::string(self) + "b\xE3\x80\xAE" + std::string(self) + "\xCC\x81\xCC\xA3Z";
        const auto sink = [&](std::string_view word, size_t) { return eat(word), true; };
        Words words(options, 100, sink);
        words.run(text);
        eat("\n");
      }
      wrong += hash != golden.value<uint64_t>();
    }
  }
  CHECK(golden.done());
  CHECK(wrong == 0);
}

TEST_CASE("special tokens, unknown words, limits") {
  const WordPiece t = tiny();
  CHECK(encode(t, "") == Ids{2, 3});
  CHECK(encode(t, " \t\n ") == Ids{2, 3});
  CHECK(encode(t, "Cats! \xC3\x81\x61") == Ids{2, 10, 11, 5, 6, 3});
  CHECK(encode(t, "cat\xCC\x81s") == Ids{2, 10, 3});  // an accent between letters goes
  CHECK(encode(t, "cat zebra") == Ids{2, 8, 1, 3});   // a word with no piece is one [UNK]
  CHECK(encode(t, "a[MASK]a [mask]") == Ids{2, 5, 4, 5, 1, 1, 1, 3});
  CHECK(encode(t, "[CLS][SEP][PAD][UNK]") == Ids{2, 2, 3, 0, 1, 3});
  CHECK(encode(t, "[[MASK]]") == Ids{2, 1, 4, 1, 3});
  CHECK(encode(t, std::string(100, 'a')).size() == 102);
  CHECK(encode(t, std::string(101, 'a')) == Ids{2, 1, 3});
  CHECK(encode(t, std::string(100, 'a'), 10).size() == 10);
  CHECK(encode(t, "a a a", 2) == Ids{2, 3});
  CHECK(encode(t, "a [MASK] a", 4) == Ids{2, 5, 4, 3});
  CHECK_THROWS_WITH_AS(encode(t, "a", 1), "tokenizer: token limit: expected at least 2, found 1",
                       Error);
}

TEST_CASE("bytes that are not UTF-8 are replaced as Python's errors=\"replace\" does") {
  const auto repaired = [](std::string_view s) {
    const auto r = utf8::repair(s);
    return r ? *r : std::string(s);
  };
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(!utf8::repair("plain and \xC3\xA9\xE6\x9D\xB1\xF0\x9F\x98\x80 fine"));
  CHECK(repaired("a\xFFz") == "a" + bad + "z");
  CHECK(repaired("\xC0\x80") == bad + bad);            // overlong
  CHECK(repaired("\xED\xA0\x80") == bad + bad + bad);  // a surrogate
  CHECK(repaired("\xE6\x9D") == bad);                  // cut short
  CHECK(repaired("\xF0\x9F\x98z") == bad + "z");
  CHECK(repaired("\xF4\x90\x80\x80") == bad + bad + bad + bad);  // past U+10FFFF
  CHECK(repaired("\xE6\xE6\x9D\xB1") == bad + "\xE6\x9D\xB1");
  CHECK(encode(tiny(),
               "c\xFF"
               "at") == Ids{2, 8, 3});  // U+FFFD is dropped by clean_text
}

TEST_CASE("a line of 10 MB takes time in proportion to its length") {
  const WordPiece t = tiny();
  const auto seconds = [&](const std::string& text) {  // of this process, not of a busy machine
    Ids ids;
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      const std::clock_t start = std::clock();
      t.encode(text, 0, ids);
      best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    }
    return best;
  };
  for (const std::string unit : {"a", "[", " ", "\xCC\x81", "\xE3\x80\xAE", "\xFF", "aab cat "}) {
    std::string small, large;
    while (small.size() < 500'000) small += unit;
    while (large.size() < 10'000'000) large += unit;
    // 20 times the length; a quadratic algorithm would take 400 times as long.
    CHECK(seconds(large) < 100 * std::max(seconds(small), 1e-3));
  }
}

TEST_CASE("faulty vocabularies are refused") {
  const auto make = [](std::vector<std::string> v) { WordPiece(std::move(v), {}); };
  const auto with = [](void (*change)(WordPieceOptions&)) {
    WordPieceOptions options;
    change(options);
    WordPiece({"a"}, std::move(options));
  };
  CHECK_THROWS_WITH_AS(make({}), "tokenizer: expected a vocabulary, found 0 tokens", Error);
  CHECK_THROWS_WITH_AS(make({"a", ""}), "tokenizer: token 1: expected text, found none", Error);
  CHECK_THROWS_WITH_AS(make({"a", "b", "a"}),
                       "tokenizer: tokens 0 and 2: expected different texts, found the same",
                       Error);
  CHECK_THROWS_WITH_AS(with([](WordPieceOptions& o) { o.sep = 1; }),
                       "tokenizer: sep token: expected an id below 1, found 1", Error);
  CHECK_THROWS_WITH_AS(with([](WordPieceOptions& o) { o.max_word_chars = 1001; }),
                       "tokenizer: longest word: expected 1 to 1000 characters, found 1001", Error);
  CHECK_THROWS_AS(with([](WordPieceOptions& o) { o.added = {{"x", 7}}; }), Error);
  CHECK_THROWS_WITH_AS(WordPiece::bert({"[CLS]", "[SEP]"}),
                       "tokenizer: expected a token [UNK], found none", Error);
}
