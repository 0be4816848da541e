// Tokenizer files that are not supported, not sane or hostile.
#include <doctest/doctest.h>
#include <language/charsmap.h>
#include <language/regex.h>
#include <sterna/language/tokenizer.h>
#include <sterna/quant/error.h>
#include <tests/language/tokenizer_text.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

using namespace sterna;
using namespace sterna::language;

namespace {

const std::string kGood = R"json({"version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [{"id": 3, "content": "<s>", "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true}],
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}|\\s+(?!\\S)"}, "behavior": "Isolated",
     "invert": false},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": true}]},
  "post_processor": {"type": "RobertaProcessing", "cls": ["<s>", 3], "sep": ["<s>", 3]},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "vocab": {"a": 0, "b": 1, "ab": 2},
            "merges": [["a", "b"]]}})json";

std::string with(std::string_view from, std::string_view to) {
  return test::replaced(kGood, from, to);
}
std::string fault(const std::string& text) { return test::tokenizer_fault(text, "a b <s> 12"); }

std::string regex_fault(const std::string& pattern) {
  try {
    Regex regex(pattern);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("what is not supported is named") {
  CHECK(fault(kGood) == "");
  CHECK(fault(with("\"NFC\"", "\"NFX\"")) ==
        "t.json: normalizer.normalizers[0].type: expected a supported normalizer, found \"NFX\"");
  CHECK(fault(with("\"Metaspace\"", "\"UnicodeScripts\"")) ==
        "t.json: pre_tokenizer.pretokenizers[1].type: expected a supported pre-tokenizer, found "
        "\"UnicodeScripts\"");
  CHECK(fault(with("\"RobertaProcessing\"", "\"Other\"")) ==
        "t.json: post_processor.type: expected a supported post-processor, found \"Other\"");
  CHECK(fault(with("\"BPE\"", "\"Bpe\"")) ==
        "t.json: model.type: expected BPE, Unigram, WordPiece or WordLevel, found \"Bpe\"");
  CHECK(fault(with("\"dropout\": null", "\"dropout\": 0.1")) ==
        "t.json: model.dropout: expected null or 0, found 0.1");
  CHECK(fault(with("\"1.0\"", "\"2.0\"")) == "t.json: version: expected \"1.0\", found \"2.0\"");
  CHECK(fault(with("\\\\s+(?!", "\\\\s+(?<!")) ==
        "t.json: pre_tokenizer.pretokenizers[0].pattern.Regex: expected (, (?:, (?i:, (?= or (?! "
        "at byte 15, found ?<!\\S)");
  CHECK(fault(with("Isolated", "isolated")) ==
        "t.json: pre_tokenizer.pretokenizers[0].behavior: expected Removed, Isolated, "
        "MergedWithPrevious, MergedWithNext or Contiguous, found \"isolated\"");
  CHECK(fault(with("\"replacement\": \"_\"", "\"replacement\": \"__\"")) ==
        "t.json: pre_tokenizer.pretokenizers[1].replacement: expected one character, found \"__\"");
  CHECK(fault(with("{\"Regex\": \" {2,}\"}", "{\"String\": \"\"}")) ==
        "t.json: normalizer.normalizers[1].pattern.String: expected text, found \"\"");
}

TEST_CASE("what is not sane is named") {
  CHECK(fault(with("[[\"a\", \"b\"]]", "[[\"a\", \"z\"]]")) ==
        "t.json: model.merges[0]: expected tokens of the vocabulary, found \"z\"");
  CHECK(fault(with("[[\"a\", \"b\"]]", "[\"b b\"]")) ==
        "t.json: model.merges[0]: expected tokens of the vocabulary, found \"bb\"");
  CHECK(fault(with("[[\"a\", \"b\"]]", "[\"a b c\"]")) ==
        "t.json: model.merges[0]: expected two tokens and a space, found \"a b c\"");
  CHECK(fault(with("[[\"a\", \"b\"]]", "[[\"a\", \"b\"], [\"a\"]]")) ==
        "t.json: model.merges[1]: expected a pair of tokens, found a list of 1");
  CHECK(fault(with("\"ab\": 2", "\"ab\": 4294967296")) ==
        "t.json: model.vocab[\"ab\"]: expected a whole number up to 2147483647, found 4294967296");
  CHECK(fault(with("\"ab\": 2", "\"ab\": -2")) ==
        "t.json: model.vocab[\"ab\"]: expected a whole number up to 2147483647, found -2");
  CHECK(fault(with("{\"id\": 3", "{\"id\": 4")) ==
        "t.json: added_tokens[0].id: expected 3, found 4");
  CHECK(fault(with("\"normalized\": false", "\"normal\": false")) ==
        "t.json: added_tokens[0].normalized: expected true or false, found nothing");
  CHECK(fault(with("\"sep\": [\"<s>\", 3]", "\"sep\": 3")) ==
        "t.json: post_processor.sep: expected a list, found 3");
  CHECK(fault(with("\"unk_token\": null", "\"unk_token\": \"?\"")) ==
        "t.json: model.unk_token: expected a token of the vocabulary, found \"?\"");
  CHECK(fault(with("{\"a\": 0, \"b\": 1, \"ab\": 2}", "[]")) ==
        "t.json: model.vocab: expected an object of tokens and ids, found a list of 0");
  CHECK(fault("[]") == "t.json: : expected an object, found a list of 0");
  CHECK(fault(std::string(100000, '[')) ==
        "t.json: expected at most 32 levels of nesting, found more");
  CHECK(fault("{\"model\": 1e999}") == "t.json: expected JSON, found a fault at byte 15");
  CHECK_THROWS_AS(Tokenizer::load("/nonexistent.json"), Error);
}

TEST_CASE("every prefix and every changed byte is an error of one line or a tokenizer") {
  test::check_damaged(kGood, fault);
}

TEST_CASE("values of another type are errors at every node") {
  for (const char* from :
       {"\"NFC\"", "{\"Regex\": \" {2,}\"}", "\"content\": \" \"", "false", "\"<s>\"", "\"_\"",
        "\"first\"", "[\"<s>\", 3]", "\"BPE\"", "[[\"a\", \"b\"]]", "0", "\"Isolated\"", "\"1.0\""})
    for (const char* to : {"[]", "{}", "7", "-1.5", "\"\\n\""}) {
      const std::string message = fault(with(from, to));
      CHECK((message.empty() || message.starts_with("t.json: ")));
      CHECK(message.find('\n') == std::string::npos);
    }
}

TEST_CASE("expressions outside the subset are errors") {
  CHECK(regex_fault("a*").starts_with("expected an expression that never matches the empty text"));
  for (const char* pattern : {"",         "a|",     "(a",       "a)",          "[a",
                              "[]",       "[b-a]",  "[a&&b]",   "[[:alpha:]]", "a{2",
                              "a{3,2}",   "a{0}",   "a{99999}", "(a)*",        "(a)+",
                              "a+?",      "^a",     "a$",       ".",           "\\w",
                              "\\b",      "\\1",    "\\p{Han}", "\\pL",        "\\x{110000}",
                              "\\ud800",  "\\",     "(?<=a)b",  "(?i:st)",     "(?i:\xC3\xA9)",
                              "(?i:[a])", "a++b+*", "(?=a)",    "*a"}) {
    CAPTURE(pattern);
    CHECK(regex_fault(pattern).starts_with("expected "));
  }
  CHECK(regex_fault(std::string(40, '(') + "a").starts_with("expected at most 16 groups"));
  CHECK(regex_fault(std::string(5000, 'a')).starts_with("expected an expression of at most 4096"));
}

TEST_CASE("expressions match as Oniguruma's do") {
  const auto all = [](const char* pattern, const std::string& text) {
    const Regex regex(pattern);
    Regex::Budget budget(text);
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const auto m = regex.find(text, at, budget);
      if (m.begin == Regex::npos) break;
      out += '[' + text.substr(m.begin, m.end - m.begin) + ']';
      at = m.end;
    }
    return out;
  };
  CHECK(all("a|ab", "abab") == "[a][a]");
  CHECK(all("(?:a|ab)c", "abc ac") == "[abc][ac]");
  CHECK(all("\\s+(?!\\S)|\\s+", "a  b c ") == "[ ][ ][ ][ ]");
  CHECK(all("\\p{N}{1,3}", "12345") == "[123][45]");
  CHECK(all("a{2,}", "a aa aaaa") == "[aa][aaaa]");
  CHECK(all("[^a-c\\s]+", "abcd e") == "[d][e]");
  CHECK(all("a++a|b", "aaab") == "[b]");
  CHECK(all("(?i:'s|'ll)", "'S 'lL '\xC5\xBF") == "['S]['lL]['\xC5\xBF]");
  CHECK(all("[\\x61-\\u0063]+(?=!)", "abc! ab") == "[abc]");
  CHECK(all("\\p{^L}\\P{L}", "a1!b") == "[1!]");
}

TEST_CASE("an expression that would take forever is given up") {
  const Regex regex("a*a*a*a*a*b");
  const std::string text(3000, 'a');
  Regex::Budget budget(text);
  CHECK_THROWS_WITH_AS(regex.find(text, 0, budget),
                       "tokenizer: expression: expected one that matches in a few steps, found "
                       "a*a*a*a*a*b",
                       Error);
}

TEST_CASE("hostile charsmaps find nothing outside themselves") {
  CHECK_THROWS_WITH_AS(Charsmap("abc"), "expected a charsmap of at least 4 bytes, found 3", Error);
  CHECK_THROWS_WITH_AS(Charsmap(std::string("\xFF\0\0\0abcd", 8)),
                       "expected a trie of 1 to 1 units, found 63", Error);
  CHECK_THROWS_AS(Charsmap(std::string("\4\0\0\0abcd\xFF", 9)), Error);
  uint32_t random = 1;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes("\0\1\0\0", 4);
    for (int k = 0; k < 256; ++k)
      bytes += static_cast<char>((random = random * 1664525 + 1013904223) >> 24);
    bytes += std::string("ab\0c\0", 5);
    size_t total = 0;
    const std::string text = "ab\xC3\xA9 e\xCC\x81 \xE3\x81\x8B\xE3\x82\x99";
    Charsmap(bytes).map(text,
                        [&](std::string_view from, std::string_view) { total += from.size(); });
    CHECK(total == text.size());
  }
}
