#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

#include "json_node.h"

namespace sterna::language {

namespace {

using Json = nlohmann::json;

constexpr size_t kMaxDepth = 32;

/// A decimal fraction as serde_json reads it, which is not always to the nearest double: the scores
/// of Unigram tokenizers decide between splits that differ in the last bit. (serde_json's de.rs,
/// parse_decimal and f64_from_parts, without the feature float_roundtrip.)
double serde_double(const std::string& text) {
  uint64_t digits = 0;
  int64_t exponent = 0;
  size_t i = text[0] == '-' ? 1 : 0;
  const bool negative = i == 1;
  bool fraction = false, full = false;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      fraction = true;
      full = false;
      continue;
    }
    const auto digit = static_cast<uint64_t>(text[i] - '0');
    full = full || digits > (UINT64_MAX - digit) / 10;
    if (!full) digits = digits * 10 + digit;
    if (full != fraction) exponent += full ? 1 : -1;
  }
  if (i < text.size()) {
    const long power = std::strtol(text.c_str() + i + 1, nullptr, 10);
    exponent += std::clamp(power, -100000L, 100000L);
  }
  static const std::array<double, 309> kPowers = [] {
    std::array<double, 309> powers;
    for (size_t p = 0; p < powers.size(); ++p)
      powers[p] = std::strtod(("1e" + std::to_string(p)).c_str(), nullptr);
    return powers;
  }();
  auto value = static_cast<double>(digits);
  for (; exponent < -308 && value != 0; exponent += 308) value /= 1e308;
  if (value != 0 && exponent > 308) value = HUGE_VAL;
  if (value == 0 || !std::isfinite(value)) return negative ? -value : value;
  if (exponent < 0) {
    value /= kPowers[static_cast<size_t>(-exponent)];
  } else {
    value *= kPowers[static_cast<size_t>(exponent)];
  }
  return negative ? -value : value;
}

/// Builds a document, and stops where it gets too deep.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const std::string& where) : where_(where) {}
  Json root;

  bool null() override { return put(nullptr), true; }
  bool boolean(bool value) override { return put(value), true; }
  bool number_integer(int64_t value) override { return put(value), true; }
  bool number_unsigned(uint64_t value) override { return put(value), true; }
  bool number_float(double, const std::string& text) override {
    const double value = serde_double(text);
    if (!std::isfinite(value)) throw Error(where_ + ": expected JSON, found a number out of range");
    return put(value), true;
  }
  bool string(std::string& value) override { return put(std::move(value)), true; }
  bool binary(Json::binary_t&) override { return false; }
  bool key(std::string& value) override { return key_ = std::move(value), true; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return stack_.pop_back(), true; }
  bool end_array() override { return stack_.pop_back(), true; }
  bool parse_error(size_t byte, const std::string&, const Json::exception&) override {
    throw Error(where_ + ": expected JSON, found a fault at byte " + std::to_string(byte));
  }

 private:
  Json& put(Json value) {
    if (stack_.empty()) return root = std::move(value);
    Json& parent = *stack_.back();
    if (parent.is_object()) return parent[key_] = std::move(value);
    parent.push_back(std::move(value));
    return parent.back();
  }
  bool open(Json value) {
    if (stack_.size() >= kMaxDepth)
      throw Error(where_ + ": expected at most " + std::to_string(kMaxDepth) +
                  " levels of nesting, found more");
    stack_.push_back(&put(std::move(value)));
    return true;
  }

  const std::string& where_;
  std::vector<Json*> stack_;
  std::string key_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view where) {
  const std::string at(where);
  if (text.size() > kMaxJsonBytes)
    throw Error(at + ": expected at most " + std::to_string(kMaxJsonBytes) + " bytes, found " +
                std::to_string(text.size()));
  Builder builder(at);
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    throw Error(at + ": expected JSON, found none");
  return std::move(builder.root);
}

}  // namespace sterna::language
