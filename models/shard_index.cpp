#include "shard_index.h"

#include <nlohmann/json.hpp>
#include <set>

#include "sterna/models/mapped_file.h"
#include "text.h"

namespace sterna::models {
namespace {

constexpr size_t kMostBytes = size_t{64} << 20;

/// Reads the index as events: no tree is built and nothing nests deep, as only texts directly below
/// "weight_map" are kept.
class Events : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Events(const std::string& file) : file_(file) {}
  std::map<std::string, std::vector<std::string>> shards;

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(int64_t) override { return value(); }
  bool number_unsigned(uint64_t) override { return value(); }
  bool number_float(double, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }

  bool string(string_t& text) override {
    if (!in_map_ || depth_ != 2) return value();
    if (!is_plain(text))
      fail("expected the name of a file in this folder, found " + in_quotes(text));
    shards[text].push_back(key_);
    return true;
  }
  bool start_object(size_t) override {
    if (in_map_) value();
    in_map_ = depth_ == 1 && key_ == "weight_map";
    return deeper();
  }
  bool key(string_t& text) override {
    key_ = text;
    if (in_map_ && !names_.insert(text).second) fail("name occurs twice");
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1) in_map_ = false;
    return true;
  }
  bool start_array(size_t) override {
    value();
    return deeper();
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(size_t at, const std::string&, const nlohmann::json::exception&) override {
    throw Error(file_ + ": expected JSON, found a fault at byte " + std::to_string(at));
  }

 private:
  [[noreturn]] void fail(const std::string& fault) const {
    throw Error(file_ + ": weight_map: tensor " + in_quotes(key_) + ": " + fault);
  }
  bool value() const {
    if (depth_ == 0) throw Error(file_ + ": expected an object, found another value");
    if (in_map_) fail("expected the name of a file");
    return true;
  }
  bool deeper() {
    if (++depth_ > 8) throw Error(file_ + ": expected at most 8 levels of nesting, found more");
    return true;
  }
  static bool is_plain(const std::string& name) {
    return !name.empty() && name != "." && name != ".." &&
           name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  }

  const std::string& file_;
  std::string key_;
  std::set<std::string, std::less<>> names_;
  int depth_ = 0;
  bool in_map_ = false;
};

}  // namespace

std::map<std::string, std::vector<std::string>> read_shard_index(
    const std::filesystem::path& path) {
  const MappedFile map(path);
  return parse_shard_index(map.file(), map.bytes());
}

std::map<std::string, std::vector<std::string>> parse_shard_index(
    const std::string& file, std::span<const std::byte> bytes) {
  if (bytes.size() > kMostBytes) {
    throw Error(file + ": expected at most " + std::to_string(kMostBytes) + " bytes, found " +
                std::to_string(bytes.size()));
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  Events events(file);
  nlohmann::json::sax_parse(text, text + bytes.size(), &events);
  if (events.shards.empty()) throw Error(file + ": weight_map: expected tensors, found none");
  return std::move(events.shards);
}

}  // namespace sterna::models
