// Tokenizer files whose model is WordPiece.
#include <doctest/doctest.h>
#include <sterna/language/tokenizer.h>
#include <sterna/quant/error.h>
#include <tests/language/tokenizer_text.h>

#include <string>
#include <string_view>
#include <vector>

using namespace sterna;
using namespace sterna::language;

namespace {

const std::string kGood = R"({
  "added_tokens": [{"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false}],
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

std::string with(std::string_view from, std::string_view to) {
  return test::replaced(kGood, from, to);
}
std::string fault(const std::string& text) { return test::tokenizer_fault(text, "Cats [CLS] dog"); }

using Ids = std::vector<uint32_t>;
Ids ids(const std::string& json, std::string_view text) {
  return Tokenizer::open(json, "t.json").encode(text);
}

}  // namespace

TEST_CASE("a tokenizer.json of WordPiece") {
  CHECK(ids(kGood, "Cats [CLS] dog") == Ids{1, 3, 4, 1, 0, 2});
  CHECK(ids(kGood, "c\xC3\xA1ts") == Ids{1, 3, 4, 2});  // lower case strips accents
  const auto cased = with("\"lowercase\": true", "\"lowercase\": false");
  CHECK(ids(cased, "cats Cats c\xC3\xA1ts") == Ids{1, 3, 4, 0, 0, 2});
  const auto bert = with(R"("type": "TemplateProcessing")",
                         R"("type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3])");
  CHECK(ids(bert, "cat") == Ids{2, 3, 3});
}

TEST_CASE("what is not sane is named") {
  CHECK(fault(kGood) == "");
  CHECK(fault("{") == "t.json: expected JSON, found a fault at byte 2");
  CHECK(fault(with("{\"id\": 1,", "{\"id\": 9,")) ==
        "t.json: added_tokens[0].id: expected 1, found 9");
  CHECK(fault(with("\"cat\": 3", "\"cat\": 4")) ==
        "t.json: model.vocab[\"cat\"]: expected an id that no other token has, found 4");
  CHECK(fault(with("\"cat\": 3", "\"cat\": 5")) ==
        "t.json: model.vocab[\"cat\"]: expected a whole number up to 4, found 5");
  CHECK(fault(with("\"cat\": 3", "\"cat\": -1")) ==
        "t.json: model.vocab[\"cat\"]: expected a whole number up to 4, found -1");
  CHECK(fault(with("\"vocab\": {\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"cat\": 3, \"##s\": 4}",
                   "\"vocab\": [\"cat\"]")) ==
        "t.json: model.vocab: expected an object of tokens and ids, found a list of 1");
  CHECK(fault(with("\"unk_token\": \"[UNK]\"", "\"unk_token\": \"?\"")) ==
        "t.json: model.unk_token: expected a token of the vocabulary, found \"?\"");
  CHECK(fault(with(": 100,", ": 100000,")) ==
        "t.json: model: tokenizer: longest word: expected 1 to 1000 characters, found 100000");
  CHECK(fault(with("\"lowercase\": true", "\"lowercase\": 1")) ==
        "t.json: normalizer.lowercase: expected true or false, found 1");
}

TEST_CASE("every prefix and every changed byte is an error of one line or a tokenizer") {
  test::check_damaged(kGood, fault);
}
