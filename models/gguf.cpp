#include "sterna/models/gguf.h"

#include <type_traits>
#include <utility>

#include "gguf_parser.h"
#include "laid_out.h"
#include "sterna/models/mapped_file.h"
#include "text.h"

namespace sterna::models {
namespace {

std::string kind_of(const GgufValue& value) {
  constexpr const char* names[] = {"a boolean",
                                   "an integer",
                                   "an integer",
                                   "a number",
                                   "a string",
                                   "an array of integers",
                                   "an array of integers",
                                   "an array of numbers",
                                   "an array of booleans",
                                   "an array of strings"};
  static_assert(std::size(names) == std::variant_size_v<GgufValue>);
  return names[value.index()];
}

[[noreturn]] void wrong_kind(const std::string& file, std::string_view key, const char* expected,
                             const GgufValue& found) {
  throw Error(file + ": metadata " + in_quotes(key) + ": expected " + expected + ", found " +
              kind_of(found));
}

}  // namespace

Gguf::Gguf() : laid_out_(std::make_unique<LaidOut>()) {}
Gguf::Gguf(Gguf&&) noexcept = default;
Gguf& Gguf::operator=(Gguf&&) noexcept = default;
Gguf::~Gguf() = default;

Gguf Gguf::open(const std::filesystem::path& path) {
  auto map = std::make_unique<MappedFile>(path);
  Gguf gguf = parse(map->file(), map->bytes());
  gguf.map_ = std::move(map);
  return gguf;
}

Gguf Gguf::parse(std::string name, std::span<const std::byte> bytes) {
  Gguf gguf;
  gguf.file_ = std::move(name);
  gguf.bytes_ = bytes;
  GgufParser(gguf).run();
  return gguf;
}

const GgufTensor* Gguf::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

bool Gguf::has(std::string_view key) const { return metadata_.contains(key); }

const GgufValue& Gguf::value(std::string_view key) const {
  const auto it = metadata_.find(key);
  if (it == metadata_.end()) throw Error(file_ + ": metadata " + in_quotes(key) + " is missing");
  return it->second;
}

std::span<const std::byte> Gguf::encoded(std::string_view key) const {
  value(key);
  return encoded_.find(key)->second;
}

std::string_view Gguf::string(std::string_view key) const {
  const GgufValue& v = value(key);
  if (const auto* s = std::get_if<std::string_view>(&v)) return *s;
  wrong_kind(file_, key, "a string", v);
}

uint64_t Gguf::integer(std::string_view key, uint64_t min, uint64_t max) const {
  const GgufValue& v = value(key);
  const auto* i = std::get_if<int64_t>(&v);
  const auto* u = std::get_if<uint64_t>(&v);
  if (i == nullptr && u == nullptr) wrong_kind(file_, key, "an integer", v);
  const bool negative = i != nullptr && *i < 0;
  const uint64_t n = u != nullptr ? *u : static_cast<uint64_t>(*i);
  if (negative || n < min || n > max) {
    throw Error(file_ + ": metadata " + in_quotes(key) + ": expected an integer from " +
                std::to_string(min) + " to " + std::to_string(max) + ", found " +
                (negative ? std::to_string(*i) : std::to_string(n)));
  }
  return n;
}

double Gguf::number(std::string_view key) const {
  const GgufValue& v = value(key);
  if (const auto* d = std::get_if<double>(&v)) return *d;
  if (const auto* i = std::get_if<int64_t>(&v)) return static_cast<double>(*i);
  if (const auto* u = std::get_if<uint64_t>(&v)) return static_cast<double>(*u);
  wrong_kind(file_, key, "a number", v);
}

bool Gguf::boolean(std::string_view key) const {
  const GgufValue& v = value(key);
  if (const auto* b = std::get_if<bool>(&v)) return *b;
  wrong_kind(file_, key, "a boolean", v);
}

const std::vector<std::string_view>& Gguf::strings(std::string_view key) const {
  const GgufValue& v = value(key);
  if (const auto* s = std::get_if<std::vector<std::string_view>>(&v)) return *s;
  wrong_kind(file_, key, "an array of strings", v);
}

std::vector<double> Gguf::numbers(std::string_view key) const {
  const GgufValue& v = value(key);
  if (const auto* d = std::get_if<std::vector<double>>(&v)) return *d;
  const auto widen = [](const auto& from) {
    std::vector<double> to;
    to.reserve(from.size());
    for (const auto x : from) to.push_back(static_cast<double>(x));
    return to;
  };
  if (const auto* i = std::get_if<std::vector<int64_t>>(&v)) return widen(*i);
  if (const auto* u = std::get_if<std::vector<uint64_t>>(&v)) return widen(*u);
  wrong_kind(file_, key, "an array of numbers", v);
}

std::vector<int64_t> Gguf::integers(std::string_view key) const {
  const GgufValue& v = value(key);
  if (const auto* i = std::get_if<std::vector<int64_t>>(&v)) return *i;
  const auto* u = std::get_if<std::vector<uint64_t>>(&v);
  if (u == nullptr) wrong_kind(file_, key, "an array of integers", v);
  std::vector<int64_t> out;
  out.reserve(u->size());
  for (const uint64_t x : *u) {
    if (x > static_cast<uint64_t>(INT64_MAX)) {
      throw Error(file_ + ": metadata " + in_quotes(key) + ": expected integers up to " +
                  std::to_string(INT64_MAX) + ", found " + std::to_string(x));
    }
    out.push_back(static_cast<int64_t>(x));
  }
  return out;
}

}  // namespace sterna::models
