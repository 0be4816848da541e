#include <doctest/doctest.h>
#include <sterna/language/tokenizer_json.h>
#include <sterna/quant/error.h>

#include <string>

using namespace sterna;
using namespace sterna::language;

namespace {

const std::string kGood = R"({
  "added_tokens": [{"id": 1, "content": "[CLS]", "single_word": false, "normalized": false}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                 "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}},
               {"SpecialToken": {"id": "[SEP]"}}],
    "special_tokens": {"[CLS]": {"ids": [1]}, "[SEP]": {"ids": [2]}}},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "cat": 3, "##s": 4}}})";

/// kGood with the first `from` replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string fault(const std::string& text) {
  try {
    parse_tokenizer_json(text, "t.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a tokenizer.json of WordPiece") {
  const WordPiece t = parse_tokenizer_json(kGood, "t.json");
  std::vector<uint32_t> ids;
  t.encode("Cats [CLS] dog", 0, ids);
  CHECK(ids == std::vector<uint32_t>{1, 3, 4, 1, 0, 2});
  CHECK(t.options().normalizer.strip_accents);
  const auto cased = parse_tokenizer_json(with("\"lowercase\": true", "\"lowercase\": false"), "x");
  CHECK(!cased.options().normalizer.strip_accents);
  const auto bert = with(R"("type": "TemplateProcessing")",
                         R"("type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3])");
  CHECK(parse_tokenizer_json(bert, "x").options().sep == 3);
}

TEST_CASE("what is not supported or not sane is named") {
  CHECK(fault("{") == "t.json: expected JSON, found a fault at byte 2");
  CHECK(fault("[]") == "t.json: : expected an object, found a list of 0");
  CHECK(fault(std::string(100, '[')) ==
        "t.json: expected at most 32 levels of nesting, found more");
  CHECK(fault(with("\"WordPiece\"", "\"BPE\"")) ==
        "t.json: model.type: expected \"WordPiece\", found \"BPE\"");
  CHECK(fault(with("\"BertNormalizer\"", "\"NFC\"")) ==
        "t.json: normalizer.type: expected \"BertNormalizer\", found \"NFC\"");
  CHECK(fault(with("\"BertPreTokenizer\"", "\"Whitespace\"")) ==
        "t.json: pre_tokenizer.type: expected \"BertPreTokenizer\", found \"Whitespace\"");
  CHECK(fault(with("\"TemplateProcessing\"", "\"ByteLevel\"")) ==
        "t.json: post_processor.type: expected \"TemplateProcessing\" or \"BertProcessing\", found "
        "\"ByteLevel\"");
  CHECK(fault(with("\"normalized\": false", "\"lstrip\": true")) ==
        "t.json: added_tokens[0].lstrip: expected false, found true");
  CHECK(fault(with("{\"id\": 1,", "{\"id\": 9,")) ==
        "t.json: added_tokens: expected the vocabulary's id for token \"[CLS]\", found 9");
  CHECK(fault(with("\"cat\": 3", "\"cat\": 4")) ==
        "t.json: model.vocab[\"cat\"]: expected an id that no other token has, found 4");
  CHECK(fault(with("\"cat\": 3", "\"cat\": 5")) ==
        "t.json: model.vocab[\"cat\"]: expected a whole number up to 4, found 5");
  CHECK(fault(with("\"cat\": 3", "\"cat\": -1")) ==
        "t.json: model.vocab[\"cat\"]: expected a whole number up to 4, found -1");
  CHECK(fault(with("\"unk_token\": \"[UNK]\"", "\"unk_token\": \"?\"")) ==
        "t.json: model.unk_token: expected a token of the vocabulary, found \"?\"");
  CHECK(fault(with("[2]", "[7]")) ==
        "t.json: tokenizer: sep token: expected an id below 5, found 7");
  CHECK(fault(with(": 100,", ": 100000,")) ==
        "t.json: tokenizer: longest word: expected 1 to 1000 characters, found 100000");
  CHECK_THROWS_AS(load_tokenizer_json("/nonexistent.json"), Error);
  // Every prefix is an error of one line, none a crash.
  for (size_t n = 0; n < kGood.size(); ++n) {
    const std::string message = fault(kGood.substr(0, n));
    CHECK(message.starts_with("t.json: "));
    CHECK(message.find('\n') == std::string::npos);
  }
}
