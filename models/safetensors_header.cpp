#include "safetensors_header.h"

#include <nlohmann/json.hpp>
#include <set>

#include "text.h"

namespace sterna::models {
namespace {

constexpr size_t max_rank = 16;

// Reads the header as events: no tree is built, nothing nests deeper than the three levels of the
// format, and whatever doesn't belong ends the reading where it stands.
class Events : public nlohmann::json_sax<nlohmann::json> {
 public:
  Events(const std::string& file, SafetensorsHeader& out) : file_(file), out_(out) {}

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool number_float(double, const string_t& text) override { unexpected(text); }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool number_integer(int64_t v) override { unexpected(std::to_string(v)); }

  bool number_unsigned(uint64_t v) override {
    if (level_ != Level::shape && level_ != Level::offsets) unexpected(std::to_string(v));
    auto& list = level_ == Level::shape ? out_.entries.back().shape : offsets_;
    const size_t limit = level_ == Level::shape ? max_rank : 2;
    if (list.size() == limit) {
      fail("expected at most " + std::to_string(limit) + " numbers in " + in_quotes(field_));
    }
    list.push_back(v);
    return true;
  }

  bool string(string_t& v) override {
    if (level_ == Level::metadata) {
      if (!out_.metadata.emplace(field_, v).second)
        fail("key " + in_quotes(field_) + " occurs twice");
      return true;
    }
    if (level_ != Level::tensor || field_ != "dtype") unexpected("the text " + in_quotes(v));
    const auto dtype = parse_dtype(v);
    if (!dtype) {
      fail("expected dtype F64, F32, F16, BF16, I64, I32, I8, U8 or BOOL, found " + in_quotes(v));
    }
    out_.entries.back().dtype = *dtype;
    return true;
  }

  bool start_object(size_t) override {
    if (level_ == Level::start) {
      level_ = Level::top;
    } else if (level_ == Level::top && name_ == "__metadata__") {
      level_ = Level::metadata;
    } else if (level_ == Level::top) {
      level_ = Level::tensor;
      out_.entries.emplace_back().name = name_;
      seen_ = 0;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& v) override {
    if (level_ == Level::top) {
      name_ = v;
      field_.clear();
      if (!names_.insert(v).second) fail("name occurs twice");
      return true;
    }
    field_ = v;
    if (level_ == Level::metadata) return true;
    const unsigned bit = v == "dtype" ? 1 : v == "shape" ? 2 : v == "data_offsets" ? 4 : 0;
    if (bit == 0) fail("expected dtype, shape and data_offsets, found key " + in_quotes(v));
    if ((seen_ & bit) != 0) fail("key " + in_quotes(v) + " occurs twice");
    seen_ |= bit;
    return true;
  }

  bool end_object() override {
    if (level_ == Level::tensor) {
      if (seen_ != 7) fail("expected dtype, shape and data_offsets, found a part of them");
      SafetensorsHeader::Entry& entry = out_.entries.back();
      entry.begin = offsets_[0];
      entry.end = offsets_[1];
    }
    level_ = level_ == Level::top ? Level::done : Level::top;
    return true;
  }

  bool start_array(size_t) override {
    if (level_ != Level::tensor || field_ == "dtype") unexpected("an array");
    level_ = field_ == "shape" ? Level::shape : Level::offsets;
    if (level_ == Level::offsets) offsets_.clear();
    return true;
  }

  bool end_array() override {
    if (level_ == Level::offsets && offsets_.size() != 2) fail("expected two data_offsets");
    level_ = Level::tensor;
    return true;
  }

  bool parse_error(size_t at, const std::string&, const nlohmann::json::exception&) override {
    name_.clear();
    fail("expected JSON, found a fault at its byte " + std::to_string(at));
  }

 private:
  enum class Level { start, top, metadata, tensor, shape, offsets, done };

  [[noreturn]] void fail(const std::string& fault) const {
    const bool tensor = !name_.empty() && name_ != "__metadata__";
    throw Error(file_ + ": " + (tensor ? "tensor " + in_quotes(name_) : std::string("header")) +
                ": " + fault);
  }
  [[noreturn]] void unexpected(const std::string& found) const {
    if (level_ == Level::start) fail("expected a JSON object, found " + found);
    if (level_ == Level::top)
      fail("expected an object for " + in_quotes(name_) + ", found " + found);
    fail("expected " +
         std::string(level_ == Level::metadata ? "a text"
                     : field_ == "dtype"       ? "a type's name"
                                               : "whole numbers") +
         " for " + in_quotes(field_) + ", found " + found);
  }

  const std::string& file_;
  SafetensorsHeader& out_;
  Level level_ = Level::start;
  std::string name_, field_;
  unsigned seen_ = 0;  // which of a tensor's keys: dtype 1, shape 2, data_offsets 4
  std::vector<uint64_t> offsets_;
  std::set<std::string, std::less<>> names_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& file, std::string_view json) {
  SafetensorsHeader out;
  Events events(file, out);
  nlohmann::json::sax_parse(json.begin(), json.end(), &events);
  return out;
}

}  // namespace sterna::models
