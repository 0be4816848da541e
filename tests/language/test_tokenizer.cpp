#include <doctest/doctest.h>
#include <sterna/language/tokenizer.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "golden.h"

using namespace sterna;
using namespace sterna::language;

namespace {

using Ids = std::vector<uint32_t>;

const std::string kFolder = std::string(STERNA_TEST_DATA) + "/golden/language/tokenizers";

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder))
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> golden_strings() {
  std::vector<std::string> strings;
  test::Golden golden("tokenizers/strings.bin");
  while (!golden.done()) strings.push_back(golden.bytes(golden.value<uint32_t>()));
  return strings;
}

std::string file(const std::string& model, const std::string& rest = "") {
  return R"({"version": "1.0", "model": )" + model + rest + "}";
}

const std::string kBpe =
    R"({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3, "abc": 4, "bc": 5, "?": 6},
        "merges": ["a b", "ab c"], "unk_token": "?"})";
const std::string kUnigram =
    R"({"type": "Unigram", "unk_id": 0, "vocab": [["?", 0], ["a", -1], ["b", -2.5], ["ab", -3],
        ["ba", -2]]})";

Ids ids(const std::string& json, std::string_view text, size_t most = 0) {
  Ids out;
  Tokenizer::open(json, "t.json").encode(text, most, out);
  return out;
}

}  // namespace

TEST_CASE("ids of every family equal those of tokenizers") {
  const auto strings = golden_strings();
  CHECK(strings.size() == 250);
  const auto names = golden_names();
  CHECK(names.size() == 24);
  for (const std::string& name : names) {
    CAPTURE(name);
    const Tokenizer tokenizer = Tokenizer::load(kFolder + "/" + name + ".json");
    test::Golden golden(("tokenizers/" + name + ".ids").c_str());
    size_t wrong = 0;
    for (const std::string& text : strings) {
      Ids expected(golden.value<uint16_t>());
      for (uint32_t& id : expected) id = golden.value<uint16_t>();
      const Ids found = tokenizer.encode(text);
      wrong += found != expected;
      for (const uint32_t id : found) wrong += id >= tokenizer.size();
    }
    CHECK(wrong == 0);
    CHECK(golden.done());
  }
}

TEST_CASE("byte pair encoding: ranks, unknown text, options") {
  CHECK(ids(file(kBpe), "abcab") == Ids{4, 2});
  CHECK(ids(file(kBpe), "xya") == Ids{6, 6, 0});
  const auto with = [](const std::string& option) {
    return file(kBpe.substr(0, kBpe.size() - 1) + ", " + option + "}");
  };
  CHECK(ids(with(R"("fuse_unk": true)"), "xya") == Ids{6, 0});
  CHECK(ids(with(R"("ignore_merges": true)"), "bc") == Ids{5});
  CHECK(ids(with(R"("ignore_merges": false)"), "bc") == Ids{1, 3});
  CHECK(ids(with(R"("dropout": 0.0)"), "ab") == Ids{2});
  const std::string bytes =
      R"({"type": "BPE", "byte_fallback": true, "vocab": {"a": 7, "<0xC3>": 8, "<0xA9>": 9},
          "merges": []})";
  CHECK(ids(file(bytes), "a\xC3\xA9z") == Ids{7, 8, 9});  // no token for unknown text: dropped
  const std::string ends =
      R"({"type": "BPE", "end_of_word_suffix": "</w>", "continuing_subword_prefix": "@",
          "vocab": {"a": 0, "@b": 1, "@b</w>": 2, "ab</w>": 3, "a</w>": 4},
          "merges": [["a", "@b</w>"]]})";
  CHECK(ids(file(ends), "ab") == Ids{3});
  CHECK(ids(file(ends), "a") == Ids{4});
  CHECK(ids(file(ends), "abb") == Ids{0, 1, 2});
}

TEST_CASE("unigram: the best split, unknown text, bytes") {
  CHECK(ids(file(kUnigram), "aba") == Ids{1, 4});
  CHECK(ids(file(kUnigram), "axyb") == Ids{1, 0, 2});
  const std::string bytes =
      R"({"type": "Unigram", "unk_id": 0, "byte_fallback": true,
          "vocab": [["?", 0], ["<0x78>", -5], ["a", -1]]})";
  CHECK(ids(file(bytes), "xxay") == Ids{1, 1, 2, 0});
  const std::string none = R"({"type": "Unigram", "unk_id": null, "vocab": [["a", -1]]})";
  CHECK_THROWS_WITH_AS(ids(file(none), "b"),
                       "t.json: model.unk_id: expected a token for unknown text, found nothing",
                       Error);
}

TEST_CASE("added tokens") {
  const std::string added = R"(, "normalizer": {"type": "Lowercase"}, "added_tokens": [
      {"id": 7, "content": "<m>", "single_word": false, "lstrip": true, "rstrip": false,
       "normalized": false, "special": true},
      {"id": 8, "content": "<m>x", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": true},
      {"id": 9, "content": "AB", "single_word": true, "lstrip": false, "rstrip": false,
       "normalized": true, "special": false}])";
  const std::string json = file(kBpe, added);
  CHECK(ids(json, "a <m>a<m>xb") == Ids{0, 7, 0, 8, 1});  // the longest; spaces on the left
  CHECK(ids(json, "c aB cab") == Ids{3, 6, 9, 6, 3, 2});  // a word, in either case
  const Tokenizer tokenizer = Tokenizer::open(json, "t.json");
  CHECK(tokenizer.size() == 10);
  CHECK(tokenizer.id("<m>") == 7);
  CHECK(tokenizer.id("abc") == 4);
  CHECK(!tokenizer.id("abcd"));
}

TEST_CASE("special tokens, limits, and what the file says of lengths") {
  const std::string rest = R"(, "post_processor": {"type": "Sequence", "processors": [
      {"type": "ByteLevel", "trim_offsets": true},
      {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
       {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 0}}],
       "special_tokens": {"<s>": {"id": "<s>", "ids": [11, 12]}}}]},
      "truncation": {"max_length": 6, "direction": "Left", "strategy": "LongestFirst", "stride": 0},
      "padding": {"strategy": "BatchLongest", "direction": "Left", "pad_id": 3})";
  const std::string json = file(kBpe, rest);
  CHECK(ids(json, "ca") == Ids{11, 12, 3, 0, 11, 12});
  CHECK(ids(json, "cac", 6) == Ids{11, 12, 0, 3, 11, 12});
  CHECK(ids(json, "cac", 4) == Ids{11, 12, 11, 12});
  CHECK_THROWS_WITH_AS(ids(json, "c", 3), "t.json: token limit: expected at least 4, found 3",
                       Error);
  const Tokenizer t = Tokenizer::open(json, "t.json");
  CHECK(t.encode("ca", false) == Ids{3, 0});
  CHECK(t.encode("", true) == Ids{11, 12, 11, 12});
  CHECK(t.size() == 13);
  REQUIRE(t.truncation());
  CHECK(t.truncation()->max_tokens == 6);
  CHECK(t.truncation()->left);
  REQUIRE(t.padding());
  CHECK(t.padding()->id == 3);
  CHECK(ids(file(kBpe), "cac", 2) == Ids{3, 0});
}

TEST_CASE("bytes that are not UTF-8 count as U+FFFD") {
  const std::string json = file(R"({"type": "WordLevel", "unk_token": "?",
                                    "vocab": {"?": 0, "\ufffd": 1}})");
  CHECK(ids(json, "\xFF") == Ids{1});
  CHECK(ids(json, "\xF0\x9F") == Ids{1});
  CHECK(ids(json, "\xFF\xFF") == Ids{0});
}

TEST_CASE("a line of 10 MB takes about as much time a byte as a short one") {
  const auto seconds = [](const Tokenizer& t, const std::string& text) {
    Ids out;
    const std::clock_t start = std::clock();  // of this process, not of a busy machine
    t.encode(text, 0, out);
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  const Tokenizer bpe = Tokenizer::open(file(kBpe), "t.json");  // no pre-tokenizer: one word
  const Tokenizer unigram = Tokenizer::open(file(kUnigram), "t.json");
  const Tokenizer gpt2 = Tokenizer::load(kFolder + "/gpt2.json");
  const std::pair<const Tokenizer*, const char*> kCases[] = {
      {&bpe, "abcab"},  {&bpe, "\xCC\x81"}, {&unigram, "abcab"}, {&unigram, "\xCC\x81"},
      {&gpt2, "abcab"}, {&gpt2, " \n"},     {&gpt2, " "}};
  for (const auto& [t, unit] : kCases) {
    std::string small, large;
    while (small.size() < 500'000) small += unit;
    while (large.size() < 10'000'000) large += unit;
    // 20 times the length: a factor of 25 with the logarithm, 400 for a quadratic algorithm.
    CHECK(seconds(*t, large) < 100 * std::max(seconds(*t, small), 1e-3));
  }
}
